// A component that is drawn again only when its properties differ. Preact
// keeps this in preact/compat, which is more than this page needs.
import { Component, h, type ComponentType, type FunctionComponent } from "preact";

export function memo<P extends object>(inner: ComponentType<P>, same: (old: P, now: P) => boolean): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      return !same(this.props as P, next);
    }
    override render(props: P) {
      return h(inner as FunctionComponent<P>, props as P & preact.Attributes);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
