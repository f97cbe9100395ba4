//! The words and the pure decisions of CloudyKnight.
//!
//! The modules stand in the order of the path: a notification is understood as a change, changes decide
//! commands, a command leads to a release, a release to routes, and all of it to a status that people read.
//! Nothing here reads a clock, a network, a disk or Docker.

pub mod workspace;

pub mod form;

pub mod notification;

pub mod change;

pub mod decision;

pub mod command;

pub mod trace;

pub mod origin;

pub mod manifest;

pub mod leftover;

pub mod commit;

pub mod archive;

pub mod release;

pub mod desired;

pub mod pattern;

pub mod ip_range;

pub mod rule;

pub mod middleware;

pub mod route;

pub mod about;

pub mod status;

pub mod history;

pub mod difference;

pub mod volume;

pub mod stats;

pub mod storage;

pub mod files;

pub mod catalogue;

pub mod dead_letter;

pub mod backoff;
