//! A failed gRPC call in the words of the page.

use dayvec_runtime::client::explain;
use tonic::{Code, Status};
use url::Url;

use crate::outage::Outage;

/// A failed call as an outage, with what to do about it.
pub(crate) fn outage(url: &Url, status: &Status) -> Outage {
    let reason = explain(status, "set token_file to a file with a token that it accepts");
    Outage::new(
        url.as_str(),
        match status.code() {
            Code::Unauthenticated => reason,
            _ => format!("{reason}; check that it is running and can be reached from here"),
        },
    )
}
