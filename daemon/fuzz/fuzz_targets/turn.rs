//! See `trucad::fuzz::turn`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trucad::fuzz::turn(data));
