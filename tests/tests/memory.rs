//! What a directory takes of memory, counted where it is allocated. One test alone in its process.

// counting what is allocated takes an allocator, and that takes `unsafe`
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use truca_core::directory::record::{BadRecord, Record};
use truca_core::directory::{Directory, Limits};
use truca_core::id::NodeId;
use truca_tests::figures::Run;
use truca_tests::world::{self, City};

static IN_USE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is handed to the system's allocator as it came
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn ten_thousand_records_take_at_most_4_mib() -> Result<(), BadRecord> {
    // a plain build signs so slowly that it has a tenth of them
    let part = if cfg!(debug_assertions) { 10 } else { 1 };
    let city = City { homes: 714 / part, people: 7_140 / part, attached: 2_140 / part };
    let records = world::records(71, city);
    let expected = records.len();
    assert!(expected >= 9_990 / part);
    let before = IN_USE.load(Ordering::Relaxed);
    let mut directory = Directory::new(NodeId([0; 16]), Limits::default());
    directory.verify_by(|_, _, _| true);
    for record in &records {
        Record::decode(record)?;
        assert!(directory.merge(record).is_ok());
    }
    let taken = (IN_USE.load(Ordering::Relaxed) - before) as f64 / 1_024.0;
    let (nodes, accounts, attachments) = directory.sizes();
    assert_eq!(nodes + accounts + attachments, expected);
    let taken = taken * 10_000.0 / expected as f64;
    Run { n: city.homes, loss_permille: 0, seed: 71 }.figure("records_memory_kib", taken, "KiB");
    assert!(taken <= 4_096.0, "{taken} KiB");
    Ok(())
}
