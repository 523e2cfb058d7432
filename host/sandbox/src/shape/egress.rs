//! Outgoing HTTP: linked, since many HTTP guests import it, and always refused.

use crate::attempt::event::LogLevel;
use crate::attempt::journal::Journal;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Refuses every request and says so in the log.
pub(crate) struct NoEgress(pub(crate) Journal);

type Transmitted = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for NoEgress {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _transmitted: Transmitted,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Transmitted), Error>> + Send> {
        self.0.line(LogLevel::Warn, "outgoing HTTP is not granted to tasks");
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
