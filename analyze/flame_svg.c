/* SPDX-License-Identifier: MIT */
/* The flame graph as a picture without a script, for documents and viewers that run none. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/flame.h"
#include "analyze/json.h"

#define SVG_WIDTH     1200.0
#define SVG_MARGIN    10.0
#define SVG_ROW	      17.0
#define SVG_MIN_WIDTH 0.1 /* thinner boxes are left out, with all above them */
#define SVG_CHAR      7.2 /* of 12px monospace */

/* Fill colours by enum flame_kind; the text on them is black. */
static const char *const colours[FLAME_N_KINDS] = {
	"#d9dbde", "#c6cad1", "#f6bf86", "#9ad6cb", "#afd9a3", "#a9c5f2", "#d0cec9",
};

/*
 * Text for XML: markup escaped, what is no UTF-8 or no XML character replaced. At most max_chars characters, the last
 * of them an ellipsis where there are more.
 */
static void put_xml(FILE *out, const char *text, size_t max_chars)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t left = strlen(text), n = 0;

	while (left) {
		uint32_t rune;
		size_t len = utf8_next(at, left, &rune);

		if (++n == max_chars && len < left) {
			fputs("\xe2\x80\xa6", out);
			return;
		}
		if (rune == '<' || rune == '>' || rune == '&' || rune == '"')
			fprintf(out, "&#%" PRIu32 ";", rune);
		else if (utf8_is_control(rune) || rune == 0xfffd || rune == 0xfffe || rune == 0xffff)
			fputs("\xef\xbf\xbd", out);
		else
			fwrite(at, 1, len, out);
		at += len;
		left -= len;
	}
}

struct svg {
	const struct flame *f;
	const struct flame_text *text;
	FILE *out;
	double scale;  /* pixels of a unit */
	double bottom; /* of the lowest row */
};

static void put_box(const struct svg *svg, uint32_t node, double x, double width)
{
	const struct flame_node *n = &svg->f->nodes[node];
	struct flame_frame frame = flame_frame_of(svg->f, node);
	double y = svg->bottom - SVG_ROW * (n->depth + 1);
	double share = svg->f->nodes[0].total ? 100.0 * (double)n->total / (double)svg->f->nodes[0].total : 0;
	size_t room = width > 3 * SVG_CHAR ? (size_t)((width - 6) / SVG_CHAR) : 0;
	char value[64];

	flame_format_value(value, sizeof(value), n->total, svg->text->unit);
	fprintf(svg->out, "<g><title>");
	put_xml(svg->out, frame.name, SIZE_MAX);
	if (*frame.module) {
		fputs(" (", svg->out);
		put_xml(svg->out, frame.module, SIZE_MAX);
		fputs(")", svg->out);
	}
	fprintf(svg->out, " %s, %.2f%%</title><rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" fill=\"%s\"/>",
		value, share, x, y, width > 1.5 ? width - 0.5 : width, SVG_ROW - 1, colours[frame.kind]);
	if (room) {
		fprintf(svg->out, "<text x=\"%.2f\" y=\"%.1f\">", x + 3, y + SVG_ROW - 5);
		put_xml(svg->out, frame.name, room);
		fputs("</text>", svg->out);
	}
	fputs("</g>\n", svg->out);
}

/* The node behind this one that isn't below it; 0 at the end. */
static uint32_t skip_below(const struct flame *f, uint32_t node)
{
	while (node && !f->nodes[node].next_sibling)
		node = f->nodes[node].parent;
	return f->nodes[node].next_sibling;
}

/* How deep the boxes that are wide enough go. */
static uint32_t depth_shown(const struct svg *svg)
{
	uint32_t node = 0, depth = 0;

	do {
		const struct flame_node *n = &svg->f->nodes[node];
		bool shown = (double)n->total * svg->scale >= SVG_MIN_WIDTH;

		if (shown && n->depth > depth)
			depth = n->depth;
		node = shown ? flame_next(svg->f, node) : skip_below(svg->f, node);
	} while (node);
	return depth;
}

/*
 * Siblings stand in a row from where their parent begins. left[] is where the next child of the latest node of each
 * depth begins; nodes come in preorder, so one array does.
 */
static int put_boxes(const struct svg *svg, struct stint_err *err)
{
	double *left = calloc((size_t)svg->f->max_depth + 2, sizeof(*left));
	uint32_t node = 0;

	if (!left)
		return stint_err_set(err, STINT_ERR_NOMEM, 0, -1, "no memory for the picture");
	left[0] = SVG_MARGIN;
	do {
		const struct flame_node *n = &svg->f->nodes[node];
		double width = (double)n->total * svg->scale, x = left[n->depth];

		left[n->depth] += width;
		left[n->depth + 1] = x;
		if (width >= SVG_MIN_WIDTH) {
			put_box(svg, node, x, width);
			node = flame_next(svg->f, node);
		} else {
			node = skip_below(svg->f, node);
		}
	} while (node);
	free(left);
	return 0;
}

static void put_line(FILE *out, double y, const char *style, const char *text)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", SVG_MARGIN, y, style);
	put_xml(out, text, 160);
	fputs("</text>\n", out);
}

static int write_svg(const struct flame *f, const struct flame_text *text, FILE *out, struct stint_err *err)
{
	struct svg svg = {.f = f, .text = text, .out = out};
	const char *const *line;
	double height, y = 24;
	size_t n_lines = 0;
	int code;

	svg.scale = f->nodes[0].total ? (SVG_WIDTH - 2 * SVG_MARGIN) / (double)f->nodes[0].total : 0;
	for (line = text->facts; *line; line++)
		n_lines++;
	for (line = text->notes; *line; line++)
		n_lines++;
	svg.bottom = 40 + 16 * (double)n_lines + SVG_ROW * (depth_shown(&svg) + 1);
	height = svg.bottom + SVG_MARGIN;
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n"
		"<style>text{font:12px monospace;fill:#000}.h{font:bold 15px sans-serif}.s{font:12px sans-serif;"
		"fill:#555}.n{font:12px sans-serif;fill:#8a4b00}g:hover rect{stroke:#000;stroke-width:.8}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		SVG_WIDTH, height, SVG_WIDTH, height);
	put_line(out, y, "h", text->title);
	for (line = text->facts; *line; line++)
		put_line(out, y += 16, "s", *line);
	for (line = text->notes; *line; line++)
		put_line(out, y += 16, "n", *line);
	code = put_boxes(&svg, err);
	fputs("</svg>\n", out);
	return code;
}

const struct flame_emitter flame_svg = {.name = "svg", .write = write_svg};
