//! Tasks of the one thread. Each type of future that tokio runs has its own copy of tokio's task in the program,
//! some 2 KB; here they all are of one type, and the package for mips is smaller by that.

use std::pin::Pin;

use tokio::task::{self, JoinHandle};

/// Runs a future on this thread, beside the others.
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let boxed: Pin<Box<dyn Future<Output = T>>> = Box::pin(future);
    task::spawn_local(boxed)
}
