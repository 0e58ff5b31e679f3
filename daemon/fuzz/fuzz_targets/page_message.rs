//! See `trucad::fuzz::page_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| trucad::fuzz::page_message(data));
