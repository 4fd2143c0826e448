//! Forcepoint SMC: notifications about changed elements for API clients that log in.
