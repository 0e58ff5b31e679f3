// The call that must work in every network: audio, chat both ways, video added, hung up.

import assert from 'node:assert/strict';

/** `caller` rings `callee`, who answers; both hear. */
export async function connect(caller, callee, { media = 'audio', answer = 'answer' } = {}) {
  await caller.rings(callee, media);
  await callee.isRungBy(caller);
  await callee.answers(answer);
  await both(caller, callee, (person) => person.stageIs('connected', [], 30_000));
  await both(caller, callee, (person) => person.hearsMore(['audioFrames']));
}

/**
 * Like `connect`, and says how long it took: from the callee's click on "answer" until both pages were connected
 * (ICE and DTLS done, media flows), in ms.
 */
export async function connectTimed(caller, callee) {
  await connect(caller, callee);
  const [clicked, ...connected] = await Promise.all([callee.clickedAt('answer'), caller.connectedAt(), callee.connectedAt()]);
  return Math.max(...connected) - clicked;
}

export async function chat(one, other, word = 'hello') {
  await one.writes(`${word} from ${one.name}`);
  await other.reads(`${word} from ${one.name}`);
  await other.writes(`${word} from ${other.name}`);
  await one.reads(`${word} from ${other.name}`);
}

/** Both turn their camera on in a running audio call; both decode the other's picture. */
export async function addVideo(one, other) {
  await one.closesChat();
  await other.closesChat();
  await one.see('camera').click();
  await other.hearsMore(['framesDecoded', 'videoFrames']);
  await other.see('camera').click();
  await both(one, other, (person) => person.hearsMore(['audioFrames', 'framesDecoded', 'videoFrames']));
}

export async function hangUp(one, other) {
  await one.closesChat();
  await one.hangsUp();
  await both(one, other, (person) => person.stageIs('ended', ['hung_up']));
  await both(one, other, (person) => person.closesStage());
}

export function both(one, other, act) {
  return Promise.all([act(one), act(other)]);
}

/** Which kinds of candidates carry the call, as both ends say. */
export async function pairs(one, other) {
  const stats = await both(one, other, (person) => person.stats());
  for (const { pair } of stats) assert.ok(pair, 'a connected call has a selected pair');
  return stats.map(({ pair }) => pair);
}
