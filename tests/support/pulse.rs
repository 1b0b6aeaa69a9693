//! A real PulseAudio server for one test.
