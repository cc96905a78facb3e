/* SPDX-License-Identifier: Apache-2.0
 * page.h - the page's files, embedded by embed.cmake. */
#ifndef SWARM_MANAGER_VISUALIZER_PAGE_H
#define SWARM_MANAGER_VISUALIZER_PAGE_H

#include <stddef.h>

extern const unsigned char page_index_html[];
extern const size_t page_index_html_len;
extern const unsigned char page_style_css[];
extern const size_t page_style_css_len;
extern const unsigned char page_app_js[];
extern const size_t page_app_js_len;

#endif
