//! The allocator of the daemon on routers: blocks of some forty sizes, cut one after the other from pieces that the
//! kernel gives, and taken again by size.
//!
//! zig's libc gives whole powers of two with a header before each: a buffer of 4,096 bytes took 8,192 and touched
//! two pages, and a person at rest 24 KiB for 15 that live. Rust says the size of a block when it gives it back, so
//! there is no header here, and sizes are a quarter of a power of two apart: a block is at most a fifth larger than
//! what was asked for. It asks for no thread's own memory either, which costs a 24Kc a trap each time.
//!
//! What was freed serves blocks of its size again and does not go back to the kernel, but for blocks beyond
//! [`LARGEST`], which are the kernel's own. One lock: there is one thread, and two that help it now and then.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    mem, ptr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// The step between the small sizes, and what every block is aligned to.
const STEP: usize = 16;

/// Up to here sizes are [`STEP`] apart, then a quarter of a power of two.
const SMALL: usize = 128;

/// Blocks of this size and larger are aligned to [`WIDE`].
const WIDE_FROM: usize = 512;

/// What tokio aligns its tasks to, so that two never share a line of a cache.
const WIDE: usize = 128;

/// The largest block that is cut from a piece.
const LARGEST: usize = 32 * 1024;

/// What is asked of the kernel at once. What of it is not touched costs nothing.
const PIECE: usize = 64 * 1024;

/// What the kernel counts in, at most, on the processors that there are packages for.
const PAGE: usize = 4096;

const SIZES: usize = SMALL / STEP + 4 * (LARGEST / SMALL).ilog2() as usize;

/// The allocator; `main.rs` makes it the daemon's.
#[derive(Debug)]
pub struct Memory {
    locked: AtomicBool,
    state: UnsafeCell<State>,
}

#[derive(Debug)]
struct State {
    /// The first free block of each size; each says where the next is.
    free: [*mut u8; SIZES],
    /// What is left of the last piece.
    piece: *mut u8,
    left: usize,
}

#[allow(unsafe_code)] // the state is touched under the lock only
unsafe impl Sync for Memory {}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// Which of the sizes a block has.
fn size_of(layout: Layout) -> usize {
    holding(if layout.align() > STEP { layout.size().max(WIDE_FROM) } else { layout.size() })
}

/// The first of the sizes that holds so many bytes.
fn holding(bytes: usize) -> usize {
    let last = bytes.saturating_sub(1);
    if last < SMALL {
        return last / STEP;
    }
    let log = last.ilog2() as usize;
    SMALL / STEP + 4 * (log - SMALL.ilog2() as usize) + (last >> (log - 2)) - 4
}

/// How many bytes blocks of this size have.
fn bytes_of(at: usize) -> usize {
    match at.checked_sub(SMALL / STEP) {
        None => (at + 1) * STEP,
        Some(beyond) => (beyond % 4 + 5) << (beyond / 4 + SMALL.ilog2() as usize - 2),
    }
}

/// Whether a block is the kernel's own.
fn is_large(layout: Layout) -> bool {
    layout.size() > LARGEST || layout.align() > WIDE
}

impl Memory {
    /// Nothing is allocated.
    pub const fn new() -> Self {
        let state = State { free: [ptr::null_mut(); SIZES], piece: ptr::null_mut(), left: 0 };
        Self { locked: AtomicBool::new(false), state: UnsafeCell::new(state) }
    }

    fn locked<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        while self.locked.swap(true, Ordering::Acquire) {
            // there is one processor: whoever has the lock has to go on first
            thread::yield_now();
        }
        #[allow(unsafe_code)] // nobody else has it now
        let done = act(unsafe { &mut *self.state.get() });
        self.locked.store(false, Ordering::Release);
        done
    }
}

impl State {
    #[allow(unsafe_code)] // free blocks are ours, and the smallest has room for a pointer
    fn take(&mut self, at: usize) -> *mut u8 {
        let block = self.free[at];
        if block.is_null() {
            return self.cut(bytes_of(at));
        }
        self.free[at] = unsafe { block.cast::<*mut u8>().read() };
        block
    }

    #[allow(unsafe_code)] // the block was given by `take` with the same size
    fn give(&mut self, at: usize, block: *mut u8) {
        unsafe { block.cast::<*mut u8>().write(self.free[at]) };
        self.free[at] = block;
    }

    /// A block from the piece, or from a new one. The rest of the old piece becomes free blocks.
    fn cut(&mut self, size: usize) -> *mut u8 {
        let gap = if size >= WIDE_FROM { self.piece.addr().wrapping_neg() % WIDE } else { 0 };
        if gap + size > self.left {
            self.keep(self.left);
            self.left = 0;
            self.piece = from_kernel(PIECE);
            if self.piece.is_null() {
                return self.piece;
            }
            self.left = PIECE;
        } else {
            self.keep(gap);
        }
        let block = self.piece;
        self.piece = block.wrapping_add(size);
        self.left -= size;
        block
    }

    /// Makes free blocks of the next bytes of the piece, as large ones as can be.
    fn keep(&mut self, mut bytes: usize) {
        self.left -= bytes;
        while bytes > 0 {
            let to_wide = self.piece.addr().wrapping_neg() % WIDE;
            let most = if to_wide > 0 { bytes.min(to_wide) } else { bytes.min(LARGEST) };
            // all is a multiple of STEP, so the smallest size always fits
            let at = if most == LARGEST { SIZES - 1 } else { holding(most + 1) - 1 };
            self.give(at, self.piece);
            self.piece = self.piece.wrapping_add(bytes_of(at));
            bytes -= bytes_of(at);
        }
    }
}

#[allow(unsafe_code)] // a system call
fn from_kernel(size: usize) -> *mut u8 {
    let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let found = unsafe { libc::mmap(ptr::null_mut(), size, rights, kind, -1, 0) };
    if found == libc::MAP_FAILED { ptr::null_mut() } else { found.cast() }
}

#[allow(unsafe_code)] // blocks are as large and aligned as their size says, and nobody has one twice
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_large(layout) {
            return self.locked(|state| state.take(size_of(layout)));
        }
        if layout.align() > PAGE { ptr::null_mut() } else { from_kernel(layout.size()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_large(layout) {
            unsafe { libc::munmap(block.cast(), layout.size()) };
        } else {
            self.locked(|state| state.give(size_of(layout), block));
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let block = unsafe { self.alloc(layout) };
        // what is the kernel's own comes empty
        if !block.is_null() && !is_large(layout) {
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // `size` was checked by who asks for it
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_large(layout), is_large(new)) {
            (false, false) if size_of(layout) == size_of(new) => return block,
            (true, true) if layout.align() <= PAGE => {
                let moved = unsafe { libc::mremap(block.cast(), layout.size(), size, libc::MREMAP_MAYMOVE) };
                return if moved == libc::MAP_FAILED { ptr::null_mut() } else { moved.cast() };
            }
            _ => {}
        }
        let moved = unsafe { self.alloc(new) };
        if !moved.is_null() {
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
        }
        moved
    }
}

// a free block says where the next one is
const _: () =
    assert!(mem::size_of::<*mut u8>() <= STEP && PIECE.is_multiple_of(PAGE) && LARGEST + WIDE <= PIECE);

#[cfg(test)]
#[allow(unsafe_code)] // an allocator's tests allocate
mod tests {
    use super::*;

    #[test]
    fn a_block_is_no_smaller_and_little_larger_than_what_is_asked_for() {
        let mut last = (0, STEP);
        for size in 1..=LARGEST {
            let at = size_of(Layout::from_size_align(size, 8).unwrap());
            let given = bytes_of(at);
            assert!(given >= size && given <= (size + STEP - 1).max(size * 5 / 4), "{size}: {given}");
            assert!(
                at < SIZES && given.is_multiple_of(STEP) && (given < WIDE_FROM || given.is_multiple_of(WIDE)),
                "{given}"
            );
            assert!((at, given) == last || at == last.0 + 1 && given > last.1, "{size}: {at} after {last:?}");
            last = (at, given);
        }
        assert_eq!(last, (SIZES - 1, LARGEST));
    }

    /// Blocks of all kinds, taken, grown, shrunk and given back in an order that `seed` says, each full of its own
    /// byte: none may change another's.
    fn lives(memory: &Memory, mut seed: u32) {
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as usize % below
        };
        let mut held: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let filled = |block: *mut u8, size: usize, with: u8| {
            assert!(unsafe { std::slice::from_raw_parts(block, size) }.iter().all(|byte| *byte == with));
        };
        for turn in 0..4000_u32 {
            let most = [40, 600, 9_000, 3 * LARGEST][random(4)];
            let size = 1 + random(most);
            let with = turn as u8;
            match random(4) {
                0 | 1 => {
                    let align = [1, 8, STEP, WIDE, PAGE][random(5)];
                    let layout = Layout::from_size_align(size, align).unwrap();
                    let zeroed = random(2) == 0;
                    let block =
                        unsafe { if zeroed { memory.alloc_zeroed(layout) } else { memory.alloc(layout) } };
                    assert!(!block.is_null() && block.addr() % align == 0, "{size} bytes aligned to {align}");
                    if zeroed {
                        filled(block, size, 0);
                    }
                    unsafe { block.write_bytes(with, size) };
                    held.push((block, layout, with));
                }
                what if !held.is_empty() => {
                    let (block, layout, before) = held.swap_remove(random(held.len()));
                    if what == 2 {
                        filled(block, layout.size(), before);
                        unsafe { memory.dealloc(block, layout) };
                        continue;
                    }
                    let block = unsafe { memory.realloc(block, layout, size) };
                    assert!(!block.is_null() && block.addr() % layout.align() == 0);
                    filled(block, size.min(layout.size()), before);
                    unsafe { block.write_bytes(with, size) };
                    held.push((block, Layout::from_size_align(size, layout.align()).unwrap(), with));
                }
                _ => {}
            }
        }
        for (block, layout, with) in held {
            filled(block, layout.size(), with);
            unsafe { memory.dealloc(block, layout) };
        }
    }

    #[test]
    fn no_block_changes_another_whatever_is_taken_and_given_back() {
        let memory = Memory::new();
        (1..4).for_each(|seed| lives(&memory, seed));
    }

    #[test]
    fn threads_may_take_and_give_at_once() {
        let memory = Memory::new();
        thread::scope(|scope| {
            for seed in 5..9 {
                let memory = &memory;
                scope.spawn(move || lives(memory, seed));
            }
        });
    }

    #[test]
    fn what_is_given_back_is_taken_again() {
        let memory = Memory::new();
        let layout = Layout::from_size_align(4096, 1).unwrap();
        let first = unsafe { memory.alloc(layout) };
        unsafe { memory.dealloc(first, layout) };
        assert_eq!(unsafe { memory.alloc(Layout::from_size_align(4000, 8).unwrap()) }, first);
        let second = unsafe { memory.alloc(layout) };
        assert_eq!(second.addr() - first.addr(), 4096, "nothing lies between two blocks of a page");
    }
}
