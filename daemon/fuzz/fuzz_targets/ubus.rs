//! See `trucad::fuzz::ubus`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trucad::fuzz::ubus(data));
