// What the two pages of a call tell each other without their routers: why a
// picture is not sent (docs/protocol.md section 7, "between the pages"). It
// goes the way of the media, so it is as private, and works while signalling
// is away.

export interface Word {
  /** I save data: send me no picture. */
  save: boolean;
  /** My picture is paused, since the line is weak. */
  weak: boolean;
}

export const NOTHING_SAID: Word = { save: false, weak: false };

/** A word is short, whatever fields come to it. */
const MAX_WORD = 256;

export class Channel {
  private readonly channel: RTCDataChannel | null;
  private said = "";
  private word = NOTHING_SAID;

  constructor(pc: RTCPeerConnection, heard: (word: Word) => void) {
    this.channel = pc.createDataChannel?.("truca", { negotiated: true, id: 0 }) ?? null;
    if (!this.channel) return;
    this.channel.onopen = () => this.say(this.word);
    this.channel.onmessage = ({ data }: MessageEvent) => {
      const word = readWord(data);
      if (word) heard(word);
    };
  }

  /** Says it when it is news, and as soon as it can be said. */
  say(word: Word): void {
    this.word = word;
    const text = JSON.stringify(word);
    if (this.channel?.readyState !== "open" || text === this.said) return;
    this.said = text;
    this.channel.send(text);
  }
}

export function readWord(data: unknown): Word | null {
  if (typeof data !== "string" || data.length > MAX_WORD) return null;
  try {
    const { save, weak } = JSON.parse(data) as Record<string, unknown>;
    return { save: save === true, weak: weak === true };
  } catch {
    return null;
  }
}
