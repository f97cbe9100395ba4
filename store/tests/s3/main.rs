//! The embedded S3 server over the wire: with the AWS SDK where a client behaves, and with raw requests where
//! it does not. The faults that made `s3s-fs` unfit each have a test here.

mod access;
mod checksums;
mod conditions;
mod hostile;
mod keys;
mod listing;
mod multipart;
mod objects;
mod raw;
mod server;
