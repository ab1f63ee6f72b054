/** Takes the two pictures of the README, from the page as `npm run build:explorer` made it. Needs chromium. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { crc32 as crcOf, deflateSync } from 'node:zlib';
import { chromium } from 'playwright-core';

const HERE = dirname(fileURLToPath(import.meta.url));
const PAGE = pathToFileURL(join(HERE, '../../dist/explorer.html')).href;
const CAPTURE = join(HERE, '../../traces/samples/medium-strict.ftrace.txt.gz');

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
});

const COLOURS = 28;

/** The same picture with few colours, at a third of the size: its most frequent ones, and for every other the nearest of them. */
async function small(png) {
  const page = await browser.newPage();
  const { width, height, colours, indexes } = await page.evaluate(
    async ([base64, most]) => {
      const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
      context.drawImage(bitmap, 0, 0);
      const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
      const pixels = new Uint32Array(data.buffer).map((one) => one & 0xf8f8f8);
      const counts = new Map();
      for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
      const parts = (one) => [one & 255, (one >> 8) & 255, (one >> 16) & 255];
      const distance = (a, b) => parts(a).reduce((sum, part, at) => sum + (part - parts(b)[at]) ** 2, 0);
      const chosen = [];
      // Frequent colours that differ visibly from those chosen before.
      for (const [one] of [...counts].sort((a, b) => b[1] - a[1])) {
        if (chosen.length < most && chosen.every((other) => distance(one, other) > 900)) chosen.push(one);
      }
      const nearest = new Map();
      for (const one of counts.keys()) {
        nearest.set(
          one,
          chosen.reduce((best, other, at) => (distance(one, other) < distance(one, chosen[best]) ? at : best), 0),
        );
      }
      const indexes = Array.from(pixels, (pixel) => nearest.get(pixel));
      return { width: bitmap.width, height: bitmap.height, colours: chosen.map(parts), indexes };
    },
    [png.toString('base64'), COLOURS],
  );
  await page.close();
  const rows = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = indexes[y * width + x];
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // Eight bits, a palette.
  header.set([8, 3, 0, 0, 0], 8);
  const parts = [
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(colours.flat())),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
  ];
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...parts, chunk('IEND', Buffer.alloc(0))]);
}

/** A chunk of a PNG file. */
function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crcOf(body));
  return Buffer.concat([length, body, check]);
}

/** One picture of what stands at the top of the page. */
async function picture(name, hash, height, scheme, prepare) {
  const page = await browser.newPage({ viewport: { width: 1280, height }, colorScheme: scheme });
  await page.goto(`${PAGE}${hash}`);
  await page.waitForSelector('main');
  await prepare(page);
  await page.waitForTimeout(500);
  const whole = await page.screenshot();
  writeFileSync(join(HERE, 'pictures', `${name}.png`), await small(whole));
  await page.close();
}

const lines = ['map 0x40000000 0x80000000 2M rw', 'map 0x7f3a4c215000 0x90000000 12K rw', 'touch 0x7f3a4c215a80'];
await picture('walk', `#${new URLSearchParams({ do: lines.join(';') })}`, 760, 'light', async (page) => {
  for (let step = 0; step < 4; step++) await page.keyboard.press('ArrowLeft');
});
await picture('capture', '', 760, 'dark', async (page) => {
  await page.setInputFiles('input[type=file]', CAPTURE);
  await page.waitForSelector('.capture');
  await page.getByLabel('Event of the capture').fill('20000');
  await page.waitForTimeout(3000);
});
await browser.close();
