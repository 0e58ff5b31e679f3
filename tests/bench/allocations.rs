//! What a relayed packet allocates: the whole daemon in a thread of this process, whose allocations are counted.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    env, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use truca_tests::Result;
use trucad::host::{
    args::{self, Command},
    config::Config,
};

use crate::turn;

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread is the daemon's.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    // a thread that ends may have none any more
    if COUNTED.try_with(Cell::get).unwrap_or(false) {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: hands everything to the system's allocator as it came; counting allocates nothing itself.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations for each packet that goes from a client through two relays to another client. The daemon's timers go
/// on meanwhile and count too. It runs until this process ends.
pub(crate) async fn per_packet(config: &str, packets: u32) -> Result<f64> {
    let free = || TcpListener::bind("127.0.0.1:0")?.local_addr();
    let (page, http, stun) = (free()?, free()?, free()?);
    let folder = env::temp_dir().join(format!("truca-allocations-{}", std::process::id()));
    fs::create_dir_all(folder.join("state"))?;
    fs::create_dir_all(folder.join("run"))?;
    fs::write(folder.join("config"), config)?;
    let mut line: Vec<_> = ["--listen", "127.0.0.1", "--no-mdns", "--name", "casa"].map(Into::into).into();
    for (flag, at) in [("--config", "config"), ("--state", "state"), ("--run-dir", "run")] {
        line.extend([flag.into(), folder.join(at).into()]);
    }
    for (flag, at) in [("--port", page), ("--http-port", http), ("--stun-port", stun)] {
        line.extend([flag.into(), at.port().to_string().into()]);
    }
    let Command::Run(overrides) = args::parse(line.into_iter())? else { return Err("no daemon".into()) };
    let (config, _) = Config::load(&overrides)?;
    thread::spawn(move || {
        COUNTED.set(true);
        trucad::run::run(config, &overrides)
    });
    ready(page)?;
    let credentials = turn::Credentials::of(page).await?;
    if COUNT.load(Ordering::Relaxed) == 0 {
        return Err("a daemon that signs somebody in allocates: nothing is counted".into());
    }
    let measure = || Ok(COUNT.load(Ordering::Relaxed) as f64);
    let (allocations, arrived) = turn::relayed(stun, &credentials, packets, measure)?;
    // it has been read, and nothing is saved any more
    let _ = fs::remove_dir_all(folder);
    Ok(allocations / arrived)
}

fn ready(page: SocketAddr) -> Result {
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(page).is_err() {
        if Instant::now() > end {
            return Err("the daemon is not ready".into());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
