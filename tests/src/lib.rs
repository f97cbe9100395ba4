//! The stage of the end-to-end tests: platforms of their own, real S3 clients, and eyes on what the outside sees.
//! The tests themselves are in `tests/`, one file a theme.
//!
//! The modules stand in the order of the path: a [`Platform`] is started, a [`Folder`] is pushed to it with an S3
//! [`Client`], [`Docker`] shows what runs, and [`http`] what answers; a [`Visitor`] asks all the time, and a
//! [`Neighbour`] must notice nothing. Nothing here reaches into the platform's code: what a test needs to know, the
//! binary, Docker, the network or the store's file must say.

pub mod platform;
pub use platform::Platform;

mod addresses;

mod leftovers;

pub mod server;

pub mod cloud;
pub use cloud::Cloud;

pub mod elsewhere;
pub use elsewhere::Elsewhere;

pub mod minio;

pub mod proxy;
pub use proxy::{Mood, Proxy};

pub mod backend;
pub use backend::Backend;

pub mod client;
pub use client::Client;

pub mod folder;
pub use folder::Folder;

pub mod mounted;
pub use mounted::Mounted;

pub mod docker;
pub use docker::Docker;

pub mod lives;
pub use lives::Lives;

pub mod docker_door;
pub use docker_door::DockerDoor;

pub mod firewall;

pub mod http;

pub mod browser;

pub mod visitor;
pub use visitor::Visitor;

pub mod neighbour;
pub use neighbour::Neighbour;

pub mod api;
pub use api::Api;

pub mod events;
pub use events::{Event, Events};

pub mod deployments;
pub use deployments::Deployments;

pub mod store_file;
pub use store_file::StoreFile;

pub mod sqs;
pub use sqs::Sqs;

pub mod replay;

pub mod wait;
pub use wait::eventually;

pub mod run;

pub mod watching;

pub mod terminal;
