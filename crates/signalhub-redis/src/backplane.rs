//! The backplane of ASP.NET Core SignalR on Redis: hubs of this program and of ASP.NET Core share clients, groups and users.

pub mod channels;
pub mod envelope;
