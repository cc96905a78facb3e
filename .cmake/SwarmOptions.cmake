# Compiler flags: warnings, hardening, sanitizers.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# assert() guards against our own mistakes and stays on in every build.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")

option(SWARM_WERROR "treat warnings as errors" OFF)
set(SWARM_SANITIZE "" CACHE STRING "address,undefined | thread | memory")

add_compile_options(
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual
    -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough -Wswitch-enum
    -Wnull-dereference -fno-common -D_GNU_SOURCE)
if(SWARM_WERROR)
    add_compile_options(-Werror)
endif()

if(SWARM_SANITIZE)
    add_compile_options(-fsanitize=${SWARM_SANITIZE} -fno-omit-frame-pointer
                        -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${SWARM_SANITIZE})
    # gcc's -Wnull-dereference and -Wmaybe-uninitialized misfire on instrumented code.
    add_compile_options(-Wno-null-dereference -Wno-maybe-uninitialized)
else()
    add_compile_options($<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2> -fPIE
                        -fstack-protector-strong -fstack-clash-protection)
    add_link_options(-pie -Wl,-z,relro,-z,now -Wl,--as-needed)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
        add_compile_options(-fcf-protection)
    endif()
endif()

find_program(SWARM_CCACHE ccache)
if(SWARM_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${SWARM_CCACHE})
endif()
