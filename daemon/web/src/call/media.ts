// Microphone and camera: asks for them within sensible limits and says in a
// word why it got less. It shows nothing.
import type { Media } from "../wire/messages";

/** `refused`: no permission; `none`: no such device; `busy`: another program has it. */
export type MediaProblem = "refused" | "none" | "busy";

export interface OwnMedia {
  stream: MediaStream;
  audio: MediaStreamTrack | null;
  video: MediaStreamTrack | null;
  micProblem: MediaProblem | null;
  cameraProblem: MediaProblem | null;
}

const AUDIO: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};

const VIDEO: MediaTrackConstraints = {
  width: { ideal: 640, max: 640 },
  height: { ideal: 480, max: 480 },
  frameRate: { ideal: 24, max: 30 },
  facingMode: "user",
};

function problemOf(error: unknown): MediaProblem {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "none";
  return "busy";
}

function own(stream: MediaStream, mic: MediaProblem | null, camera: MediaProblem | null): OwnMedia {
  return {
    stream,
    audio: stream.getAudioTracks()[0] ?? null,
    video: stream.getVideoTracks()[0] ?? null,
    micProblem: mic,
    cameraProblem: camera,
  };
}

/**
 * Whether the microphone will be had without a question, as far as the browser tells. A connection that is made before
 * a question was answered would show no address of this device, but `.local` names that cross no router.
 */
export async function micGranted(): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: "microphone" as PermissionName })).state === "granted";
  } catch {
    return false; // Firefox before 131 does not know the name
  }
}

/** Both at once when video is wanted (one question); else what can be had. */
export async function openMedia(media: Media): Promise<OwnMedia> {
  const devices = navigator.mediaDevices;
  if (!devices) return own(new MediaStream(), "none", "none");
  if (media === "video") {
    try {
      return own(await devices.getUserMedia({ audio: AUDIO, video: VIDEO }), null, null);
    } catch {
      // One of the two is missing or refused: ask for each alone.
    }
  }
  const stream = new MediaStream();
  let mic: MediaProblem | null = null;
  let camera: MediaProblem | null = null;
  try {
    const got = await devices.getUserMedia({ audio: AUDIO });
    got.getTracks().forEach((track) => stream.addTrack(track));
  } catch (error) {
    mic = problemOf(error);
  }
  if (media === "video") {
    const got = await openCamera();
    if (typeof got === "string") camera = got;
    else stream.addTrack(got);
  }
  return own(stream, mic, camera);
}

export async function openCamera(): Promise<MediaStreamTrack | MediaProblem> {
  try {
    const got = await navigator.mediaDevices.getUserMedia({ video: VIDEO });
    return got.getVideoTracks()[0] ?? "none";
  } catch (error) {
    return problemOf(error);
  }
}

export const nothing = (): OwnMedia => own(new MediaStream(), null, null);

export function closeMedia(media: OwnMedia | null): void {
  media?.stream.getTracks().forEach((track) => track.stop());
}
