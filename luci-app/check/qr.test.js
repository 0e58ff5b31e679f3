// The QR code in the page, read by a decoder that has nothing to do with what made it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import jsqr from 'jsqr';
import { luci } from './runtime.js';

/** The picture that the SVG draws, in `scale` pixels a module, as RGBA. */
function raster(svg, scale = 4) {
  const side = Number(svg.getAttribute('viewBox').split(' ')[2]) * scale;
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  for (const [, x, y] of svg.querySelector('path').getAttribute('d').matchAll(/M(\d+) (\d+)h1v1h-1z/g)) {
    for (let dy = 0; dy < scale; dy++) {
      for (let dx = 0; dx < scale; dx++) pixels.fill(0, ((y * scale + dy) * side + x * scale + dx) * 4, ((y * scale + dy) * side + x * scale + dx) * 4 + 3);
    }
  }
  return [pixels, side];
}

for (const url of ['https://10.1.2.3:8443/', 'https://casa.mesh.example:8443/', 'https://[fd00:1234:5678:9abc:def0:1234:5678:9abc]:8443/', `https://${'a'.repeat(200)}.example/`]) {
  test(`a phone reads ${url.slice(0, 40)}`, () => {
    const chart = luci({}).load('truca/chart.js');
    const [pixels, side] = raster(chart.qrCode(url));
    assert.equal(jsqr(pixels, side, side)?.data, url);
  });
}
