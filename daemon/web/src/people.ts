// The window on the people of the mesh, put together from snapshots and
// changes (docs/protocol.md section 6). Pure.
import type { People, Person } from "./wire/messages";

export interface Window {
  people: Person[];
  total: number;
}

export function applyPeople(old: Window, message: People): Window {
  const known = new Map<string, Person>();
  if (!message.reset) for (const person of old.people) known.set(person.address, person);
  for (const address of message.gone) known.delete(address);
  for (const person of message.people) known.set(person.address, person);
  const order = message.order ?? [...known.keys()];
  const people = order.flatMap((address) => known.get(address) ?? []);
  // Nobody is lost because an order was shorter than the window.
  if (people.length < known.size) {
    const shown = new Set(order);
    for (const person of known.values()) if (!shown.has(person.address)) people.push(person);
  }
  return { people, total: message.total };
}
