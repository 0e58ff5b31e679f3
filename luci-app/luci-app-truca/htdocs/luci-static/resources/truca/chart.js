'use strict';
'require baseclass';
'require truca.qr as qr';

/* Drawings: sparklines, the QR code of a link, the map of the mesh. All SVG, built element by element. */

const SVG = 'http://www.w3.org/2000/svg';
/* The quiet zone around a QR code that ISO/IEC 18004 asks for, in modules */
const QUIET = 4;
/* A map with more nodes than this cannot be read; the others are in the table */
const MAP_MAX = 48;
/* Names longer than this are cut in the map */
const LABEL_MAX = 14;

function draw(tag, attributes, children) {
	const node = document.createElementNS(SVG, tag);

	Object.keys(attributes).forEach((name) => node.setAttribute(name, attributes[name]));
	(children || []).forEach((child) => node.appendChild(typeof child == 'string' ? document.createTextNode(child) : child));

	return node;
}

/*
 * Lines of what was measured, oldest first, all on one scale: `series` are { class, values }; `text` is what
 * it says to those who do not see it.
 */
function sparkline(series, text) {
	const width = 240, height = 48;
	const most = Math.max(1, ...series.map((line) => Math.max(0, ...line.values)));
	const lines = series.map((line) => {
		const step = width / Math.max(1, line.values.length - 1);
		const points = line.values.map((value, i) =>
			'%.1f,%.1f'.format(i * step, height - 2 - (value / most) * (height - 4)));

		return draw('polyline', { 'class': 'truca-line ' + line.class, 'points': points.join(' ') });
	});

	return draw('svg', {
		'class': 'truca-spark', 'viewBox': '0 0 %d %d'.format(width, height), 'preserveAspectRatio': 'none',
		'role': 'img', 'aria-label': text
	}, [ draw('title', {}, [ text ]) ].concat(lines));
}

/* A link as a QR code, dark on light whatever the theme: cameras want it so */
function qrCode(url) {
	const code = qr.generate(url, { minCorrectionLevel: qr.correction.M });
	const side = code.size + 2 * QUIET;
	let path = '';

	for (let y = 0; y < code.size; y++)
		for (let x = 0; x < code.size; x++)
			if (code.get(x, y))
				path += 'M%d %dh1v1h-1z'.format(x + QUIET, y + QUIET);

	return draw('svg', {
		'class': 'truca-qr', 'viewBox': '0 0 %d %d'.format(side, side), 'shape-rendering': 'crispEdges',
		'role': 'img', 'aria-label': url
	}, [
		draw('title', {}, [ url ]),
		draw('rect', { 'width': side, 'height': side, 'fill': '#fff' }),
		draw('path', { 'd': path, 'fill': '#000' })
	]);
}

function cut(name) {
	return (name.length > LABEL_MAX) ? name.slice(0, LABEL_MAX - 1) + '…' : name;
}

/*
 * The mesh as this node sees it: itself in the middle, the nodes it has a link to on the inner ring, the
 * others outside. `nodes` are { id, name, state, linked, quality, people, text }, this node among them.
 */
function meshMap(nodes, text) {
	const own = nodes.filter((node) => node.state == 'self');
	const others = nodes.filter((node) => node.state != 'self').slice(0, MAP_MAX);
	const linked = others.filter((node) => node.linked), rest = others.filter((node) => !node.linked);
	const placed = own.map((node) => ({ node: node, x: 0, y: 0 })), lines = [];

	// Wider than high, like the screens it is seen on; from the right, and a little turned so that few names meet
	const ring = (list, rx, ry, turn) => list.forEach((node, i) => {
		const angle = turn + i * 2 * Math.PI / list.length;

		placed.push({ node: node, x: rx * Math.cos(angle), y: ry * Math.sin(angle) });
	});

	ring(linked, rest.length ? 150 : 190, rest.length ? 80 : 105, linked.length > 2 ? -0.4 : 0);
	ring(rest, 265, 160, linked.length ? 0.35 : 0);

	const xs = placed.map((place) => place.x), ys = placed.map((place) => place.y);
	const left = Math.min(-270, ...xs) - 60, top = Math.min(0, ...ys) - 40;
	const width = Math.max(270, ...xs) + 60 - left, height = Math.max(0, ...ys) + 60 - top;

	placed.filter((place) => place.node.linked).forEach((place) => {
		lines.push(draw('line', {
			'class': 'truca-link truca-' + (place.node.quality || 'unknown'),
			'x1': 0, 'y1': 0, 'x2': place.x.toFixed(1), 'y2': place.y.toFixed(1)
		}));
	});

	const dots = placed.map((place) => draw('g', {
		'class': 'truca-node truca-is-' + place.node.state,
		'transform': 'translate(%.1f %.1f)'.format(place.x, place.y)
	}, [
		draw('title', {}, [ place.node.text ]),
		draw('circle', { 'r': place.node.state == 'self' ? 22 : 16 }),
		draw('text', { 'class': 'truca-count', 'dy': '0.35em' }, [ place.node.people ? String(place.node.people) : '' ]),
		draw('text', { 'class': 'truca-name', 'y': place.node.state == 'self' ? 40 : 32 }, [ cut(place.node.name) ])
	]));

	return draw('svg', {
		'class': 'truca-map', 'viewBox': '%d %d %d %d'.format(left, top, width, height), 'role': 'img', 'aria-label': text
	}, lines.concat(dots));
}

return baseclass.extend({
	MAP_MAX: MAP_MAX,
	sparkline: sparkline,
	qrCode: qrCode,
	meshMap: meshMap
});
