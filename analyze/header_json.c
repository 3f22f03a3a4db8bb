/* SPDX-License-Identifier: MIT */
#include "analyze/header_json.h"

void json_recording(struct json *j, const struct model *m)
{
	json_key(j, "recording");
	json_object_begin(j);
	json_key_string(j, "host", model_meta(m, "host"));
	json_key_string(j, "kernel", model_meta(m, "kernel"));
	json_key_string(j, "arch", model_meta(m, "arch"));
	json_key_u64(j, "duration_ns", m->end_ns - m->start_ns);
	json_key_bool(j, "complete", stint_reader_info(m->reader)->complete);
	json_object_end(j);
}
