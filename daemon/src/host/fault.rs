//! Says where a bug stopped the daemon, when the program was built for a router and its panics only trap.
//!
//! Installed once by `main`. `docs/sizes.md` says why there is no message; `tools/where.sh` turns the address
//! into a line of source, since programs of `make cross` are always at the same place in memory.

use std::process;

/// What a trap raises: on MIPS and AArch64 the second, on ARM and x86 the first.
const TRAPS: [i32; 2] = [libc::SIGILL, libc::SIGTRAP];

/// From now on a trap is told in one line on standard error; then the daemon aborts, as after any panic.
#[allow(unsafe_code)] // a signal's handler, and what the kernel tells it
pub fn watch() {
    for trap in TRAPS {
        let told = |info: &libc::siginfo_t| {
            // SAFETY: every signal of these two that the CPU raised has an address, and any other is only printed
            let address = unsafe { info.si_addr() } as usize;
            let mut line = Line::default();
            line.text("error: a bug in trucad ");
            line.text(env!("CARGO_PKG_VERSION"));
            line.text(" for ");
            line.text(std::env::consts::ARCH);
            line.text(" at 0x");
            line.hexadecimal(address);
            line.text("; please report this line\n");
            // SAFETY: the bytes are ours and initialised; write and abort may be called in a handler
            unsafe { libc::write(2, line.bytes.as_ptr().cast(), line.length) };
            process::abort();
        };
        // SAFETY: the handler neither allocates nor locks, and does not return. A handler that cannot be
        // installed leaves the kernel's word of the trap
        let _ = unsafe { signal_hook_registry::register_unchecked(trap, told) };
    }
}

/// A line without memory of the heap, which may be what the bug broke.
struct Line {
    bytes: [u8; 128],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; 128], length: 0 }
    }
}

impl Line {
    fn text(&mut self, text: &str) {
        for (to, from) in self.bytes[self.length..].iter_mut().zip(text.bytes()) {
            *to = from;
            self.length += 1;
        }
    }

    fn hexadecimal(&mut self, number: usize) {
        let digits = number.checked_ilog2().unwrap_or(0) / 4;
        for digit in (0..=digits).rev() {
            let nibble = (number >> (4 * digit)) as u8 & 15;
            let letter = [b"0123456789abcdef"[usize::from(nibble)]];
            self.text(str::from_utf8(&letter).unwrap_or("?"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_what_fits() {
        let mut line = Line::default();
        line.text("at 0x");
        line.hexadecimal(0x1d_a3c0);
        assert_eq!(&line.bytes[..line.length], b"at 0x1da3c0");
        line.text(&"x".repeat(200));
        assert_eq!(line.length, 128);
        let mut zero = Line::default();
        zero.hexadecimal(0);
        assert_eq!(&zero.bytes[..zero.length], b"0");
    }
}
