// Somebody who never stops talking: Chromium's own fake microphone beeps once a second and is silent in between, so
// that a codec which sends nothing in silence would look thriftier than it is.

import { writeFileSync } from 'node:fs';

const RATE = 48_000;
const SECONDS = 8;

/** A WAV file of syllables: harmonics of a gliding pitch, with something like consonants between them. */
export function writeVoice(file) {
  const samples = new Int16Array(RATE * SECONDS);
  let phase = 0;
  let noise = 1;
  for (let i = 0; i < samples.length; i++) {
    const second = i / RATE;
    const syllable = (second * 4.5) % 1;
    const pitch = 120 + 40 * Math.sin(second * 2.1) + 25 * Math.sin(second * 7.3);
    phase += pitch / RATE;
    let voiced = 0;
    for (let harmonic = 1; harmonic <= 24; harmonic++) {
      // Two formants that wander: a vowel is where they stand.
      const at = harmonic * pitch;
      const first = Math.exp(-(((at - 500 - 250 * Math.sin(second * 3)) / 180) ** 2));
      const next = 0.6 * Math.exp(-(((at - 1600 - 600 * Math.sin(second * 4.1)) / 300) ** 2));
      voiced += (first + next + 0.05) * Math.sin(2 * Math.PI * harmonic * phase);
    }
    noise = (noise * 1103515245 + 12345) & 0x7fffffff;
    const hiss = noise / 0x3fffffff - 1;
    const loud = syllable < 0.75 ? Math.sin((Math.PI * syllable) / 0.75) : 0;
    samples[i] = 9_000 * (loud * voiced * 0.5 + (syllable > 0.7 ? 0.25 * hiss : 0));
  }
  const data = Buffer.from(samples.buffer);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20); // PCM
  head.writeUInt16LE(1, 22); // one channel
  head.writeUInt32LE(RATE, 24);
  head.writeUInt32LE(RATE * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(data.length, 40);
  writeFileSync(file, Buffer.concat([head, data]));
}
