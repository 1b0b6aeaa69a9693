//! Whole server, without a daemon.
