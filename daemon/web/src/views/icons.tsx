// The icons, drawn for this page. Each is decoration: the button around it
// carries the words.
import type { ComponentChildren } from "preact";

function Icon({ children, solid }: { children: ComponentChildren; solid?: boolean }) {
  return (
    <svg class={solid ? "icon solid" : "icon"} viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

const HANDSET =
  "M2.5 14.6C2.5 6.3 21.5 6.3 21.5 14.6c0 1.6-.7 2.4-2.1 2.4h-2.5c-1.3 0-1.9-.8-1.9-2.2v-1.5c-1.9-.7-4.1-.7-6 0v1.5C9 16.2 8.4 17 7.1 17H4.6c-1.4 0-2.1-.8-2.1-2.4z";

export const HangUpIcon = () => <Icon solid><path d={HANDSET} /></Icon>;
export const PhoneIcon = () => <Icon solid><path d={HANDSET} transform="rotate(-135 12 12)" /></Icon>;

const CAMERA = <><rect x="2.5" y="6.5" width="12.5" height="11" rx="3" /><path d="M15 11l5.2-3.2c.6-.4 1.3 0 1.3.7v7c0 .7-.7 1.1-1.3.7L15 13" /></>;
const SLASH = <path d="M4 3.5l16 17" />;
const MIC = <><rect x="9" y="2.8" width="6" height="11.2" rx="3" /><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3.2" /></>;

export const CameraIcon = ({ off }: { off?: boolean }) => <Icon>{CAMERA}{off && SLASH}</Icon>;
export const MicIcon = ({ off }: { off?: boolean }) => <Icon>{MIC}{off && SLASH}</Icon>;
export const ChatIcon = () => (
  <Icon><path d="M4 5.5h16a1.5 1.5 0 0 1 1.5 1.5v8.5A1.5 1.5 0 0 1 20 17h-8.5L7 20.8V17H4a1.5 1.5 0 0 1-1.5-1.5V7A1.5 1.5 0 0 1 4 5.5z" /></Icon>
);
export const CloseIcon = () => <Icon><path d="M6 6l12 12M18 6L6 18" /></Icon>;
export const SearchIcon = () => <Icon><circle cx="10.5" cy="10.5" r="6.5" /><path d="M15.5 15.5L21 21" /></Icon>;
export const SendIcon = () => <Icon><path d="M4 12h15M13 5.5l6.5 6.5-6.5 6.5" /></Icon>;
export const RouterIcon = () => (
  <Icon><rect x="3" y="13.5" width="18" height="6.5" rx="2" /><path d="M7 16.8h.01M11 16.8h.01M17 13V9.5M13.8 6.8a4.5 4.5 0 0 1 6.4 0M11.5 4.2a8 8 0 0 1 11 0" /></Icon>
);

/** Three bars for the line: how many are full says how good it is. */
export function LineBars({ level }: { level: 0 | 1 | 2 | 3 }) {
  return (
    <svg class={`bars l${level}`} viewBox="0 0 18 16" width="18" height="16" aria-hidden="true" focusable="false">
      {[1, 2, 3].map((bar) => (
        <rect key={bar} class={bar <= level ? "full" : ""} x={bar * 6 - 5.5} y={16 - bar * 5} width="4" height={bar * 5} rx="1.5" />
      ))}
    </svg>
  );
}

export const Mark = () => (
  <svg class="mark" viewBox="0 0 32 32" width="32" height="32" aria-hidden="true" focusable="false">
    <circle cx="16" cy="16" r="16" />
    <path d={HANDSET} transform="translate(4.6 5.2) scale(.95) rotate(-135 12 12)" />
  </svg>
);
