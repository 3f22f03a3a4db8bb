/* SPDX-License-Identifier: MIT */
/* Which recording a JSON document is about. */
#ifndef STINT_ANALYZE_HEADER_JSON_H
#define STINT_ANALYZE_HEADER_JSON_H

#include "analyze/json.h"
#include "analyze/model.h"

/* The key "recording" with host, kernel, arch, duration_ns and complete. */
void json_recording(struct json *j, const struct model *m);

#endif
