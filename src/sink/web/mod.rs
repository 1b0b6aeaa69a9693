//! Page, API and metrics over HTTP.

pub(crate) mod services;
