//! Threads of a router's daemon have no names of their own: musl writes a name by `snprintf`, which nothing else here
//! needs and which is 5 KB of the package.

use std::ffi::{c_char, c_int, c_void};

/// In the place of musl's, for std, which names the threads that it starts. What they are is of no use to anybody:
/// they write one file and read those of bmx6.
#[allow(unsafe_code)] // a name that the linker knows
#[unsafe(no_mangle)]
extern "C" fn pthread_setname_np(_thread: *mut c_void, _name: *const c_char) -> c_int {
    0
}
