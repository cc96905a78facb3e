# Turn the page's files into C arrays. Called with -DOUT=... -DDIR=...
set(text "/* generated */\n#include \"manager/visualizer/page.h\"\n")
foreach(name index.html style.css app.js)
    file(READ ${DIR}/${name} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "[^a-z]" "_" id ${name})
    string(APPEND text "const unsigned char page_${id}[] = {${bytes}};\n"
                       "const size_t page_${id}_len = sizeof(page_${id});\n")
endforeach()
file(WRITE ${OUT} "${text}")
