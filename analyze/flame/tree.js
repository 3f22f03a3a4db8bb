/* SPDX-License-Identifier: MIT */
/* The tree behind the picture, without any drawing: totals, positions, matches. Nodes are numbers, in preorder. */
'use strict';

const KINDS = ['all', 'thread', 'user code', 'inlined', 'JIT-compiled', 'kernel', 'no symbol'];

/* Characters that would draw nothing, or turn the text around them, are shown by number. */
function visible(text) {
	const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

	if (text === '')
		return '(no name)';
	return text.replace(hidden, c => '\\u{' + c.codePointAt(0).toString(16) + '}');
}

function grouped(n) {
	return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

function duration(ns) {
	const units = [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs']];

	for (const [size, name] of units) {
		if (ns >= size) {
			const n = ns / size;

			return grouped(n >= 1000 ? Math.round(n) : Number(n.toPrecision(4))) + ' ' + name;
		}
	}
	return ns + ' ns';
}

function percent(part, whole) {
	return whole > 0 ? (100 * part / whole).toFixed(2) + ' %' : '0 %';
}

class Tree {
	constructor(data) {
		const n = data.depth.length;

		this.data = data;
		this.n = n;
		this.depth = Uint16Array.from(data.depth);
		this.frame = Uint32Array.from(data.frame);
		this.self = Float64Array.from(data.self);
		this.total = Float64Array.from(data.self);
		this.count = data.count ? Float64Array.from(data.count) : null;
		this.parent = new Int32Array(n).fill(-1);
		this.end = new Uint32Array(n).fill(n); /* behind the node's last descendant */
		this.start = new Float64Array(n);      /* where it begins, in the unit of its value */
		this.labels = data.strings.map(visible);
		this.matches = null;                   /* by frame, while there is a search */
		this.found = null;                     /* see matchList */
		this.link();
		this.place(false);
	}

	link() {
		const open = [];

		for (let i = 0; i < this.n; i++) {
			while (open.length > this.depth[i])
				this.end[open.pop()] = i;
			if (open.length)
				this.parent[i] = open[open.length - 1];
			open.push(i);
		}
		for (let i = this.n - 1; i > 0; i--) {
			this.total[this.parent[i]] += this.total[i];
			if (this.count)
				this.count[this.parent[i]] += this.count[i];
		}
	}

	kind(i) {
		return this.data.frames[3 * this.frame[i] + 2];
	}

	nameIndex(i) {
		return this.data.frames[3 * this.frame[i]];
	}

	name(i) { /* as recorded */
		return this.data.strings[this.nameIndex(i)];
	}

	label(i) { /* fit to be shown */
		return this.labels[this.nameIndex(i)];
	}

	module(i) { /* fit to be shown; '' for none */
		const index = this.data.frames[3 * this.frame[i] + 1];

		return index ? this.labels[index] : '';
	}

	children(i) {
		const list = [];

		for (let k = i + 1; k < this.end[i]; k = this.end[k])
			list.push(k);
		return list;
	}

	path(i) { /* from the root down */
		const list = [];

		for (; i >= 0; i = this.parent[i])
			list.unshift(i);
		return list;
	}

	/* Gives every node its place beside its siblings: the widest first, or by name. */
	place(byName) {
		const wider = (a, b) => this.total[b] - this.total[a] || a - b;
		const named = (a, b) => this.label(a) < this.label(b) ? -1 : this.label(a) > this.label(b) ? 1 : wider(a, b);

		this.rows = [];
		for (let i = 0; i < this.n; i++) {
			let at = this.start[i];

			for (const k of this.children(i).sort(byName ? named : wider)) {
				this.start[k] = at;
				at += this.total[k];
			}
			(this.rows[this.depth[i]] ||= []).push(i);
		}
		for (const row of this.rows)
			row.sort((a, b) => this.start[a] - this.start[b]);
	}

	/* The index in rows[depth] of the last node that begins at or before value; -1 when there is none. */
	rowIndex(depth, value) {
		const row = this.rows[depth] || [];
		let low = 0, high = row.length;

		while (low < high) {
			const mid = (low + high) >> 1;

			if (this.start[row[mid]] <= value)
				low = mid + 1;
			else
				high = mid;
		}
		return low - 1;
	}

	/* The node at a value on a level, -1 where there is nothing. */
	at(depth, value) {
		const k = this.rowIndex(depth, value);
		const i = k < 0 ? -1 : this.rows[depth][k];

		return i >= 0 && value < this.start[i] + this.total[i] ? i : -1;
	}

	/*
	 * Marks the frames whose name matches; "module:" before the text matches modules. Text that is no valid
	 * regular expression is looked for as it is. Capital letters matter once the text has one.
	 */
	search(text) {
		const inModule = text.startsWith('module:');
		const what = inModule ? text.slice(7) : text;
		const n = this.data.frames.length / 3;
		let test, valid = true;

		this.matches = null;
		this.found = null;
		if (what === '')
			return true;
		try {
			const re = new RegExp(what, /[A-Z]/.test(what) ? '' : 'i');
			test = name => re.test(name);
		} catch {
			valid = false;
			test = name => name.includes(what);
		}
		const hits = this.labels.map(test);
		this.matches = new Uint8Array(n);
		for (let f = 0; f < n; f++)
			this.matches[f] = hits[this.data.frames[3 * f + (inModule ? 1 : 0)]] ? 1 : 0;
		this.matches[this.frame[0]] = 0;
		return valid;
	}

	matched(i) {
		return this.matches !== null && this.matches[this.frame[i]] === 1;
	}

	/* All nodes that match, the widest first. */
	matchList() {
		if (this.matches && !this.found) {
			this.found = [...this.frame.keys()].filter(i => this.matched(i));
			this.found.sort((a, b) => this.total[b] - this.total[a] || a - b);
		}
		return this.found || [];
	}

	/* How much of the node's total is below frames that match, recursion counted once. */
	matchedTotal(root) {
		let sum = 0;

		for (let i = root; i < this.end[root];) {
			if (this.matched(i)) {
				sum += this.total[i];
				i = this.end[i];
			} else {
				i++;
			}
		}
		return sum;
	}

	value(v) {
		const {unit} = this.data;

		return unit === 'ns' ? duration(v) : grouped(v) + ' ' + unit;
	}
}

if (typeof module !== 'undefined')
	module.exports = {Tree, visible, duration, grouped, percent};
