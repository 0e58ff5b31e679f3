// The ring tone and the tone that the caller hears, made by oscillators, and
// the buzz of a phone. A browser that allows no sound before the first tap
// stays silent; the sheet is there all the same.

interface Tone {
  /** Notes: frequency, start and length in seconds. */
  notes: [number, number, number][];
  every: number;
  volume: number;
}

const TONES: Record<"incoming" | "ringback", Tone> = {
  incoming: {
    notes: [[659.3, 0, 0.18], [784, 0.2, 0.18], [987.8, 0.4, 0.3], [784, 0.9, 0.18], [987.8, 1.1, 0.4]],
    every: 3,
    volume: 0.16,
  },
  ringback: { notes: [[425, 0, 1]], every: 4, volume: 0.04 },
};

let context: AudioContext | null = null;

function play(audio: AudioContext, tone: Tone): void {
  for (const [frequency, start, length] of tone.notes) {
    const from = audio.currentTime + 0.05 + start;
    const oscillator = audio.createOscillator();
    const gain = audio.createGain();
    oscillator.type = "triangle";
    oscillator.frequency.value = frequency;
    gain.gain.setValueAtTime(0, from);
    gain.gain.linearRampToValueAtTime(tone.volume, from + 0.02);
    gain.gain.setValueAtTime(tone.volume, from + length - 0.06);
    gain.gain.linearRampToValueAtTime(0, from + length);
    oscillator.connect(gain).connect(audio.destination);
    oscillator.start(from);
    oscillator.stop(from + length + 0.05);
  }
}

/** Rings until the function that it returns is called. */
export function startRing(kind: "incoming" | "ringback"): () => void {
  const tone = TONES[kind];
  let audio: AudioContext | null = null;
  try {
    context ??= new AudioContext();
    audio = context;
    if (audio.state === "suspended") void audio.resume().catch(() => undefined);
  } catch {
    // No sound device: the sheet and the buzz must do.
  }
  const once = () => {
    if (audio?.state === "running") play(audio, tone);
    if (kind === "incoming") navigator.vibrate?.([300, 150, 300]);
  };
  const first = setTimeout(once, 60);
  const timer = setInterval(once, tone.every * 1000);
  return () => {
    clearTimeout(first);
    clearInterval(timer);
    if (kind === "incoming") navigator.vibrate?.(0);
    void audio?.suspend().catch(() => undefined);
  };
}
