//! Counts what is asked of S3 and SQS, so that what a platform costs can be told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;

/// How often each operation was asked for, every attempt counted. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    counts: Arc<Mutex<BTreeMap<(&'static str, String), u64>>>,
}

impl Meter {
    /// By service (`s3` or `sqs`) and operation (such as `ListObjectsV2`), since the clients were made.
    pub fn snapshot(&self) -> BTreeMap<(&'static str, String), u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn of(&self, service: &'static str) -> Counting {
        Counting { service, meter: self.clone() }
    }
}

/// Stands before each attempt of one client.
#[derive(Debug)]
pub(super) struct Counting {
    service: &'static str,
    meter: Meter,
}

impl Intercept for Counting {
    fn name(&self) -> &'static str {
        "Counting"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = cfg.load::<Metadata>().map_or("unknown", Metadata::name).to_owned();
        let mut counts = self.meter.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((self.service, operation)).or_default() += 1;
        Ok(())
    }
}
