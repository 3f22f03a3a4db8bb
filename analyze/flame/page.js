/* SPDX-License-Identifier: MIT */
/* The picture and what one can do with it. Names from the recording only ever become text, never markup. */
(function () {
'use strict';

const ROW = 19;        /* CSS pixels of a level, its gap included */
const THIN = 0.5;      /* narrower nodes are drawn as one column for many */
const EDGE = 0.1;      /* what reaches less into the view is rounding */
const TEXT_MIN = 26;   /* narrower nodes carry no text */
const ZOOM_MS = 160;

/* Hue, saturation, and lightness by kind; the name varies the lightness a little. */
const COLOURS = {
	light: [[220, 10, 86], [220, 12, 80], [30, 88, 74], [168, 42, 70], [105, 42, 72], [214, 72, 80], [40, 8, 80]],
	dark: [[220, 8, 27], [220, 10, 32], [24, 54, 33], [172, 42, 26], [112, 32, 28], [214, 44, 37], [40, 5, 30]],
};
const MATCH = {light: [312, 82, 76], dark: [312, 52, 42]};
const INK = {light: '#17181a', dark: '#f4f5f6'};

const byId = id => document.getElementById(id);
const main = byId('view'), space = byId('space'), canvas = byId('graph'), tip = byId('tip');
const ctx = canvas.getContext('2d', {alpha: false});
const dark = matchMedia('(prefers-color-scheme: dark)');
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const tree = new Tree(JSON.parse(byId('data').textContent));
const data = tree.data;

const state = {
	zoom: 0, focus: 0, hover: -1, inverted: false, byName: false,
	from: 0, to: tree.total[0], /* the values at the left and right edge */
	width: 0, height: 0, printing: false, notesOpen: false, theme: 'light', frameRequest: 0, animation: null,
};
const charWidth = {size: 0};
const palettes = {light: [], dark: []};
let palette = palettes.light;
const shades = Uint8Array.from(data.strings, shade);

/* The colours that fit the moment; palettes are made once for each theme. */
function chooseTheme() {
	state.theme = dark.matches && !state.printing ? 'dark' : 'light';
	palette = palettes[state.theme];
}

/* One of 8 shades, the same for a name everywhere. */
function shade(text) {
	let h = 2166136261;

	for (let i = 0; i < text.length; i++)
		h = Math.imul(h ^ text.charCodeAt(i), 16777619);
	return (h ^ h >>> 13) & 7;
}

function colour(kind, variant, match, dim) {
	const key = kind * 32 + variant * 4 + (match ? 2 : 0) + (dim ? 1 : 0);

	if (!palette[key]) {
		const [h, s, l] = match ? MATCH[state.theme] : COLOURS[state.theme][kind];

		palette[key] = `hsl(${h} ${dim ? s * 0.3 : s}% ${l + (variant - 3.5) * 1.1}%)`;
	}
	return palette[key];
}

function css(name) {
	return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/* ---- where things are ---- */

function rowTop(depth) {
	const rows = tree.rows.length;

	return (state.inverted ? rows - 1 - depth : depth) * ROW + 4;
}

function contentHeight() {
	return tree.rows.length * ROW + 8;
}

/* How far the canvas, which is as high as the window shows, stands from the top of the whole picture. */
function offsetTop() {
	if (state.printing)
		return 0;
	const slack = Math.max(0, state.height - contentHeight());

	return main.scrollTop - (state.inverted ? slack : 0);
}

function nodeAt(x, y) {
	const row = Math.floor((y + offsetTop() - 4) / ROW);
	const depth = state.inverted ? tree.rows.length - 1 - row : row;
	const value = state.from + x * (state.to - state.from) / state.width;

	if (depth < 0 || depth >= tree.rows.length)
		return -1;
	if (depth <= tree.depth[state.zoom])
		return tree.path(state.zoom)[depth];
	return tree.at(depth, value);
}

/* Left edge and width in pixels, cut to what is shown. */
function extent(i) {
	const scale = state.width / (state.to - state.from);
	const left = Math.max(0, (tree.start[i] - state.from) * scale);
	const right = Math.min(state.width, (tree.start[i] + tree.total[i] - state.from) * scale);

	return [left, right - left];
}

/* ---- drawing ---- */

function fit(text, width) {
	const room = Math.floor(width / charWidth.size);

	if (/^[\x20-\x7e]*$/.test(text))
		return text.length <= room ? text : text.slice(0, room - 1) + '…';
	if (ctx.measureText(text).width <= width)
		return text;
	const letters = Array.from(text.slice(0, room * 2));
	while (letters.length && ctx.measureText(letters.join('') + '…').width > width)
		letters.pop();
	return letters.join('') + '…';
}

function drawNode(i, top) {
	const [left, width] = extent(i);
	const match = tree.matched(i), dim = tree.matches !== null && !match;
	const box = Math.max(width - (width > 3 ? 1 : 0), THIN);

	ctx.fillStyle = colour(tree.kind(i), shades[tree.nameIndex(i)], match, dim);
	ctx.globalAlpha = i !== state.zoom && tree.depth[i] < tree.depth[state.zoom] ? 0.6 : 1;
	ctx.fillRect(left, top, box, ROW - 1);
	ctx.globalAlpha = 1;
	if (width >= TEXT_MIN) {
		ctx.fillStyle = INK[state.theme];
		ctx.fillText(fit(tree.label(i), width - 9), left + 4, top + ROW / 2);
	}
}

function drawOutline(i, style, line) {
	const top = rowTop(tree.depth[i]) - offsetTop();
	const [left, width] = extent(i);

	if (width < 0)
		return;
	ctx.strokeStyle = style;
	ctx.lineWidth = line;
	ctx.strokeRect(left + line / 2, top + line / 2, Math.max(width - line - 1, 1), ROW - 1 - line);
}

/* Nodes too thin to see share one column a pixel, so that crowds of them stay visible without drawing each. */
function drawThin(i, left, top, columns) {
	const column = Math.floor(left);
	const depth = tree.depth[i];

	if (columns[depth] === column + 1 && !tree.matched(i))
		return;
	columns[depth] = column + 1;
	ctx.fillStyle = colour(tree.kind(i), 3, tree.matched(i), tree.matches !== null);
	ctx.fillRect(column, top, 1, ROW - 1);
}

function draw() {
	const scale = state.width / (state.to - state.from);
	const columns = new Int32Array(tree.rows.length);
	const offset = offsetTop();

	cancelAnimationFrame(state.frameRequest);
	state.frameRequest = 0;
	chooseTheme();
	ctx.fillStyle = state.printing ? '#fff' : css('--paper');
	ctx.fillRect(0, 0, state.width, state.height);
	ctx.textBaseline = 'middle';
	for (let i = 0; i < tree.n;) {
		const left = (tree.start[i] - state.from) * scale;
		const width = tree.total[i] * scale;
		const top = rowTop(tree.depth[i]) - offset;
		const before = top + ROW < 0, behind = top > state.height;

		if (left + width < EDGE || left > state.width - EDGE || (state.inverted ? before : behind)) {
			i = tree.end[i];
		} else if (width < THIN) {
			drawThin(i, left, top, columns);
			i = tree.end[i];
		} else {
			if (!before && !behind)
				drawNode(i, top);
			i++;
		}
	}
	if (state.printing)
		return;
	if (state.hover >= 0)
		drawOutline(state.hover, INK[state.theme], 1);
	if (document.activeElement === canvas)
		drawOutline(state.focus, css('--accent'), 2.5);
}

function redraw() {
	if (!state.frameRequest)
		state.frameRequest = requestAnimationFrame(draw);
}

function size(width, height) {
	const ratio = state.printing ? 2 : window.devicePixelRatio || 1;

	state.width = Math.max(width, 50);
	state.height = Math.max(height, ROW);
	canvas.width = Math.round(state.width * ratio);
	canvas.height = Math.round(state.height * ratio);
	canvas.style.height = state.height + 'px';
	ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
	ctx.font = '12px ui-monospace, "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace';
	charWidth.size = ctx.measureText('mmmmmmmmmm').width / 10;
}

/* A resized canvas is empty, so it is drawn at once and not with the next frame: nothing flickers. */
function resize() {
	const atEnd = main.scrollTop + main.clientHeight >= space.offsetHeight - 2;

	space.style.height = contentHeight() + 'px';
	size(main.clientWidth, main.clientHeight);
	if (state.inverted && atEnd)
		main.scrollTop = space.offsetHeight;
	draw();
}

/* ---- what is said about a node ---- */

function facts(i) {
	const rows = [['total', tree.total[i]], ['self', tree.self[i]]];
	const all = tree.total[0], shown = tree.total[state.zoom];

	return rows.map(([name, v]) => {
		const row = [name, tree.value(v), percent(v, all)];

		if (state.zoom)
			row.push(percent(v, shown) + ' of shown');
		return row;
	});
}

function origin(i) {
	const kind = KINDS[tree.kind(i)];

	return i === 0 ? '' : tree.module(i) ? kind + ' · ' + tree.module(i) : kind;
}

function countText(i) {
	if (!tree.count)
		return '';
	return grouped(tree.count[i]) + (tree.count[i] === 1 ? ' switch' : ' switches');
}

function showStatus() {
	const i = state.hover >= 0 ? state.hover : state.focus;
	const parts = facts(i).map(row => row[0] + ' ' + row[1] + ' (' + row.slice(2).join(', ') + ')');

	byId('status').setAttribute('aria-live', state.hover >= 0 ? 'off' : 'polite');
	byId('status-name').textContent = tree.label(i);
	byId('status-facts').textContent = [origin(i), ...parts, countText(i)].filter(Boolean).join(' · ');
	byId('copy-name').disabled = byId('copy-stack').disabled = state.focus === 0;
	byId('reset').disabled = state.zoom === 0;
}

function showTip(x, y) {
	const i = state.hover;

	tip.hidden = i < 0;
	if (i < 0)
		return;
	tip.querySelector('b').textContent = tree.label(i);
	tip.querySelector('span').textContent = origin(i);
	const lines = facts(i);
	if (tree.count)
		lines.push(['count', countText(i)]);
	tip.querySelector('table').replaceChildren(...lines.map(([name, ...cells]) => {
		const row = document.createElement('tr'), head = document.createElement('th');

		head.textContent = name;
		row.append(head, ...cells.map(text => {
			const cell = document.createElement('td');

			cell.textContent = text;
			return cell;
		}));
		return row;
	}));
	const {width, height} = tip.getBoundingClientRect();
	tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - width - 8)) + 'px';
	tip.style.top = (y + 20 + height < innerHeight ? y + 20 : Math.max(4, y - height - 12)) + 'px';
}

function showMatches(valid) {
	const out = byId('matched');

	out.classList.toggle('bad', !valid);
	if (!tree.matches) {
		out.textContent = '';
		return;
	}
	const sum = tree.matchedTotal(state.zoom);
	out.textContent = percent(sum, tree.total[state.zoom]) + (state.zoom ? ' of shown' : '') + ', ' +
		tree.value(sum) + (valid ? '' : ' (as plain text)');
}

/* ---- doing things ---- */

function remember() {
	const words = new URLSearchParams();

	if (state.zoom)
		words.set('z', state.zoom);
	if (byId('search').value)
		words.set('q', byId('search').value);
	if (state.inverted)
		words.set('root', 'bottom');
	if (state.byName)
		words.set('order', 'name');
	try {
		history.replaceState(null, '', '#' + words);
	} catch {
		/* a browser that allows no address of its own to this page: the view just isn't in it */
	}
}

function reveal(i) {
	const top = rowTop(tree.depth[i]);
	const slack = Math.max(0, state.height - contentHeight());

	if (slack)
		return;
	if (top < main.scrollTop)
		main.scrollTop = top - 4;
	else if (top + ROW > main.scrollTop + main.clientHeight)
		main.scrollTop = top + ROW + 4 - main.clientHeight;
}

function step(now) {
	if (!state.animation)
		return;
	const {from, to, start, goalFrom, goalTo} = state.animation;
	const t = Math.min(1, (now - start) / ZOOM_MS), ease = 1 - (1 - t) ** 3;

	state.from = from + (goalFrom - from) * ease;
	state.to = to + (goalTo - to) * ease;
	state.animation = t < 1 ? state.animation : null;
	draw();
	if (t < 1)
		requestAnimationFrame(step);
}

function zoomTo(i) {
	const goalFrom = tree.start[i], goalTo = tree.start[i] + tree.total[i];
	const running = state.animation !== null;

	state.zoom = i;
	state.focus = i;
	state.hover = -1;
	tip.hidden = true;
	if (calm.matches) {
		[state.from, state.to] = [goalFrom, goalTo];
	} else {
		state.animation = {from: state.from, to: state.to, start: performance.now(), goalFrom, goalTo};
		if (!running)
			requestAnimationFrame(step);
	}
	reveal(i);
	showStatus();
	showMatches(!byId('matched').classList.contains('bad'));
	remember();
	redraw();
}

function focusOn(i) {
	if (i < 0)
		return;
	state.focus = i;
	state.hover = -1;
	tip.hidden = true;
	/* Outside what is shown: zoom out just as far as it takes. */
	let z = state.zoom;
	while (z > 0 && !(i >= z && i < tree.end[z]) && !tree.path(z).includes(i))
		z = tree.parent[z];
	if (z !== state.zoom)
		zoomTo(z);
	state.focus = i;
	reveal(i);
	showStatus();
	redraw();
}

function beside(direction) {
	const depth = tree.depth[state.focus], row = tree.rows[depth];
	const goalFrom = tree.start[state.zoom], goalTo = goalFrom + tree.total[state.zoom];
	const least = (goalTo - goalFrom) / state.width;
	let k = tree.rowIndex(depth, tree.start[state.focus]);

	while (row[k] !== state.focus)
		k--;
	for (k += direction; k >= 0 && k < row.length; k += direction) {
		const start = tree.start[row[k]];

		if (start >= goalTo || start + tree.total[row[k]] <= goalFrom)
			return;
		if (tree.total[row[k]] >= least) {
			focusOn(row[k]);
			return;
		}
	}
}

function along(direction) {
	const inward = state.inverted ? -direction : direction;
	let best = -1;

	if (inward < 0) {
		focusOn(tree.parent[state.focus]);
		return;
	}
	if (state.focus < state.zoom) { /* above what is zoomed to: stay on the way there */
		focusOn(tree.path(state.zoom)[tree.depth[state.focus] + 1]);
		return;
	}
	for (const k of tree.children(state.focus))
		best = best < 0 || tree.total[k] > tree.total[best] ? k : best;
	focusOn(best);
}

/* From match to match, the widest first. */
function nextMatch(direction) {
	const list = tree.matchList();
	const k = list.indexOf(state.focus);

	if (list.length)
		focusOn(list[k < 0 ? 0 : (k + direction + list.length) % list.length]);
}

function search(text) {
	const valid = tree.search(text);

	showMatches(valid);
	remember();
	redraw();
}

function invert() {
	state.inverted = !state.inverted;
	byId('invert').setAttribute('aria-pressed', state.inverted);
	resize();
	main.scrollTop = state.inverted ? space.offsetHeight : 0;
	remember();
}

function reorder() {
	state.byName = !state.byName;
	byId('order').setAttribute('aria-pressed', state.byName);
	tree.place(state.byName);
	state.animation = null;
	state.from = tree.start[state.zoom];
	state.to = state.from + tree.total[state.zoom];
	remember();
	redraw();
}

function escape() {
	if (state.zoom) {
		zoomTo(tree.parent[state.zoom]);
	} else if (byId('search').value) {
		byId('search').value = '';
		search('');
	} else {
		focusOn(0);
	}
}

async function copy(text, button) {
	const label = button.textContent;

	try {
		await navigator.clipboard.writeText(text);
	} catch {
		const area = document.createElement('textarea');

		area.value = text;
		document.body.append(area);
		area.select();
		document.execCommand('copy');
		area.remove();
		canvas.focus();
	}
	button.textContent = 'Copied';
	setTimeout(() => { button.textContent = label; }, 900);
}

function copyName() {
	if (state.focus)
		copy(tree.name(state.focus), byId('copy-name'));
}

function copyStack() {
	if (state.focus)
		copy(tree.path(state.focus).slice(1).map(i => tree.name(i)).join('\n'), byId('copy-stack'));
}

/* ---- wiring ---- */

const KEYS = {
	ArrowLeft: () => beside(-1), ArrowRight: () => beside(1), ArrowUp: () => along(-1), ArrowDown: () => along(1),
	Enter: () => zoomTo(state.focus), ' ': () => zoomTo(state.focus), Escape: escape, Home: () => zoomTo(0),
	'/': () => byId('search').select(), n: () => nextMatch(1), N: () => nextMatch(-1), c: copyName, s: copyStack,
	i: invert, o: reorder, '?': () => byId('keys').showModal(),
};

function onKey(event) {
	const typing = event.target instanceof HTMLInputElement;
	const onButton = event.target instanceof HTMLButtonElement || event.target.closest('summary');

	if (event.ctrlKey || event.metaKey || event.altKey || byId('keys').open || !Object.hasOwn(KEYS, event.key))
		return;
	if (typing || (onButton && (event.key === 'Enter' || event.key === ' ')))
		return;
	event.preventDefault();
	if (event.key.startsWith('Arrow') || event.key === 'Home')
		canvas.focus();
	KEYS[event.key]();
}

function onSearchKey(event) {
	if (event.key === 'Enter') {
		canvas.focus();
		nextMatch(event.shiftKey ? -1 : 1);
	} else if (event.key === 'Escape') {
		event.target.value = '';
		search('');
		canvas.focus();
	}
}

function onMove(event) {
	const box = canvas.getBoundingClientRect();
	const i = nodeAt(event.clientX - box.left, event.clientY - box.top);

	if (i !== state.hover) {
		state.hover = i;
		showStatus();
		redraw();
	}
	canvas.style.cursor = i >= 0 ? 'pointer' : 'default';
	showTip(event.clientX, event.clientY);
}

function onLeave() {
	state.hover = -1;
	tip.hidden = true;
	showStatus();
	redraw();
}

function onClick(event) {
	const box = canvas.getBoundingClientRect();
	const i = nodeAt(event.clientX - box.left, event.clientY - box.top);

	if (i >= 0)
		zoomTo(i);
}

/* Paper gets the whole height, in the colours of a light screen, with all notes. */
function print(on) {
	if (on)
		state.notesOpen = byId('notes').open;
	state.printing = on;
	byId('notes').open = on || state.notesOpen;
	if (on) {
		space.style.height = 'auto';
		size(1040, contentHeight());
		draw();
	} else {
		resize();
	}
}

/* The heading, the notes and the legend, from the data. */
function furnish() {
	chooseTheme();
	const kinds = new Set();
	const list = byId('notes').querySelector('ul');

	byId('facts').textContent = [...data.facts, tree.value(tree.total[0]) + ' in all'].join(' · ');
	byId('notes').hidden = data.notes.length === 0;
	byId('notes').open = data.notes.length <= 3;
	byId('notes').querySelector('summary').textContent =
		data.notes.length === 1 ? data.notes[0] : data.notes.length + ' notes on what is missing here';
	list.replaceChildren(...(data.notes.length === 1 ? [] : data.notes).map(text => {
		const item = document.createElement('li');

		item.textContent = text;
		return item;
	}));
	for (let i = 1; i < tree.n; i++)
		kinds.add(tree.kind(i));
	byId('legend').replaceChildren(...[...kinds].sort((a, b) => a - b).map(kind => {
		const item = document.createElement('li'), swatch = document.createElement('canvas');
		const paint = swatch.getContext('2d');

		swatch.width = swatch.height = 1;
		paint.fillStyle = colour(kind, 3, false, false);
		paint.fillRect(0, 0, 1, 1);
		item.append(swatch, KINDS[kind]);
		return item;
	}));
}

/* The view that the address asks for. */
function recall() {
	const words = new URLSearchParams(location.hash.slice(1));
	const zoom = Number(words.get('z'));

	if (words.get('root') === 'bottom')
		invert();
	if (words.get('order') === 'name')
		reorder();
	if (words.get('q')) {
		byId('search').value = words.get('q');
		search(words.get('q'));
	}
	if (Number.isInteger(zoom) && zoom > 0 && zoom < tree.n)
		zoomTo(zoom);
}

document.addEventListener('keydown', onKey);
byId('search').addEventListener('input', event => search(event.target.value));
byId('search').addEventListener('keydown', onSearchKey);
canvas.addEventListener('pointermove', onMove);
canvas.addEventListener('pointerleave', onLeave);
canvas.addEventListener('click', onClick);
canvas.addEventListener('focus', redraw);
canvas.addEventListener('blur', redraw);
main.addEventListener('scroll', redraw);
byId('reset').addEventListener('click', () => zoomTo(0));
byId('invert').addEventListener('click', invert);
byId('order').addEventListener('click', reorder);
byId('help').addEventListener('click', () => byId('keys').showModal());
byId('copy-name').addEventListener('click', copyName);
byId('copy-stack').addEventListener('click', copyStack);
window.addEventListener('beforeprint', () => print(true));
window.addEventListener('afterprint', () => print(false));
dark.addEventListener('change', () => { furnish(); redraw(); });
new ResizeObserver(resize).observe(main);
furnish();
resize();
showStatus();
recall();
})();
