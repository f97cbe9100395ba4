//! The embedded S3 server alone, to try a client against: `cargo run -p cloudyknight-store --example serve -- DIR ADDRESS`.
//! The key pair is `AKIDEXAMPLE` and `example-secret`; the buckets `workspaces` and `cloudyknight` exist.

use std::path::PathBuf;

use cloudyknight_store::embedded::{EmbeddedStore, Options, QueueSettings, s3};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(address)) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return Err("usage: serve DIR ADDRESS".into());
    };
    let store = EmbeddedStore::open(&dir, Options::default())?;
    store.create_bucket("workspaces").await?;
    store.create_bucket("cloudyknight").await?;
    store.create_queue("events", QueueSettings::default()).await?;
    store.notify("workspaces", "events").await?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("serving S3 on {}", listener.local_addr()?);
    let credentials =
        s3::Credentials { access_key: "AKIDEXAMPLE".into(), secret_key: "example-secret".into() };
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("cannot wait for Ctrl-C: {error}");
        }
    };
    s3::serve(listener, store, credentials, interrupted).await?;
    Ok(())
}
