/**
 * Measures the page as `npm run build:explorer` made it: its size, the time to the first view, frames while somebody scrubs through
 * 100,000 events, and what axe finds. Needs chromium and the command line (`npm run build:cli`). Prints one line for each figure.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const FILE = join(ROOT, 'dist/explorer.html');
const PAGE = pathToFileURL(FILE).href;
const FRAMES = 1200;
const EVENTS = 100_000;

const say = (what, figure) => process.stdout.write(`${what.padEnd(56)} ${figure}\n`);
const folder = mkdtempSync(join(tmpdir(), 'tablewalk-measure-'));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
});
try {
  const bytes = readFileSync(FILE);
  say('page, bytes', bytes.length.toLocaleString('en'));
  say('page, bytes through gzip', gzipSync(bytes, { level: 9 }).length.toLocaleString('en'));

  const times = [];
  for (let turn = 0; turn < 5; turn++) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    await page.addInitScript(() => {
      new MutationObserver((_, observer) => {
        if (document.querySelector('main') === null) return;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => (globalThis.firstView = performance.now())));
      }).observe(document, { childList: true, subtree: true });
    });
    await page.goto(PAGE);
    await page.waitForFunction(() => globalThis.firstView !== undefined);
    times.push(await page.evaluate(() => globalThis.firstView));
    await page.close();
  }
  say('first view from disk, ms (median of 5)', Math.round(times.sort((a, b) => a - b)[2]));

  const capture = join(folder, 'gpu.txt');
  const command = join(ROOT, 'dist/tablewalk.js');
  execFileSync(process.execPath, [command, 'generate', 'gpu', '--frames', String(FRAMES), '-o', capture]);
  say('capture, MiB', (statSync(capture).size / 2 ** 20).toFixed(1));
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, bypassCSP: true });
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(PAGE);
  await page.waitForSelector('main');
  const began = Date.now();
  await page.setInputFiles('input[type=file]', capture);
  await page.waitForSelector('.scrubber', { timeout: 300_000 });
  const events = await page.evaluate(() => Number(document.querySelector('.scrubber input').max));
  say(
    `events read and replayed: ${events.toLocaleString('en')} (at least ${EVENTS.toLocaleString('en')}), s`,
    (Date.now() - began) / 1000,
  );
  const frames = await page.evaluate(async () => {
    const slider = document.querySelector('.scrubber input');
    const most = Number(slider.max);
    const gaps = [];
    let last = performance.now();
    for (let at = 0; at < 300; at++) {
      // There and back, as a hand does: every frame another place.
      slider.value = String(Math.round((most * (1 - Math.cos((at / 300) * 4 * Math.PI))) / 2));
      slider.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }
    return gaps.sort((a, b) => a - b);
  });
  say(
    'frames a second while scrubbing, mean',
    (1000 / (frames.reduce((sum, one) => sum + one, 0) / frames.length)).toFixed(1),
  );
  say('longest of 99 of 100 frames, ms', frames[Math.floor(frames.length * 0.99)].toFixed(1));

  await page.evaluate(readFileSync(join(ROOT, 'node_modules/axe-core/axe.min.js'), 'utf8'));
  for (const theme of ['light', 'dark']) {
    const { violations, passes } = await page.evaluate(async (name) => {
      document.documentElement.dataset.theme = name;
      const found = await globalThis.axe.run();
      return { violations: found.violations.length, passes: found.passes.length };
    }, theme);
    say(`axe, ${theme}: violations, rules passed`, `${violations}, ${passes}`);
  }
  say('complaints on the console', complaints.length);
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
