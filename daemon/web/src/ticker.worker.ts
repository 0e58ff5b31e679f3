// A clock that goes on in a hidden page. Browsers slow the timers of a page
// that nobody looks at to one a minute; those of a worker run. It gets
// [id, ms] and says id when the time has come.
const scope = globalThis as unknown as {
  onmessage: ((event: { data: [number, number] }) => void) | null;
  postMessage(id: number): void;
};

scope.onmessage = ({ data: [id, ms] }) => {
  setTimeout(() => scope.postMessage(id), ms);
};

export {};
