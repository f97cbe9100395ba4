//! `ipAllowList`: only clients from some addresses come through. The address is the connection's; what a client says
//! about itself counts for nothing.

use std::net::IpAddr;

use cloudyknight_core::ip_range::IpRange;
use cloudyknight_core::middleware::{IpAllowList, MiddlewareError};
use http::StatusCode;

use super::{Own, own};

pub(super) struct Allow {
    ranges: Vec<IpRange>,
    rejected: StatusCode,
}

impl Allow {
    pub(super) fn new(list: &IpAllowList) -> Result<Self, MiddlewareError> {
        let ranges = list.source_range.iter().map(|range| range.parse()).collect::<Result<_, _>>()?;
        let rejected = list.reject_status_code.and_then(|code| StatusCode::from_u16(code).ok());
        Ok(Self { ranges, rejected: rejected.unwrap_or(StatusCode::FORBIDDEN) })
    }

    pub(super) fn admit(&self, client: IpAddr) -> Result<(), Own> {
        if self.ranges.iter().any(|range| range.contains(client)) { Ok(()) } else { Err(own(self.rejected)) }
    }
}
