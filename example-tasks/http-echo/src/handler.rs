//! The seam to `wasi:http`: reads the whole request, writes the whole response.

use std::io::{self, Read, Write};

use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

use crate::answer::{Answer, Request, Response, answer};

wasip2::http::proxy::export!(Echo);

struct Echo;

impl wasip2::exports::http::incoming_handler::Guest for Echo {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match read(&request).map(answer) {
            Ok(Answer::Respond(response)) => write(out, response),
            Ok(Answer::Silence) => {}
            Ok(Answer::Trap) => panic!("asked to trap"),
            Err(error) => ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(error.to_string())))),
        }
    }
}

fn read(request: &IncomingRequest) -> io::Result<Request> {
    let headers = request.headers().entries().into_iter();
    let mut body = Vec::new();
    if let Ok(incoming) = request.consume() {
        let mut stream = incoming.stream().map_err(|()| io::Error::other("the request's body was taken"))?;
        stream.read_to_end(&mut body)?;
    }
    Ok(Request {
        method: name(&request.method()).to_owned(),
        path_with_query: request.path_with_query().unwrap_or_else(|| "/".into()),
        headers: headers.map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect(),
        body,
    })
}

fn write(out: ResponseOutparam, response: Response) {
    let headers: Vec<_> = response.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
    let outgoing = Fields::from_list(&headers).map(OutgoingResponse::new);
    let outgoing = match outgoing {
        Ok(outgoing) => outgoing,
        Err(error) => {
            return ResponseOutparam::set(
                out,
                Err(ErrorCode::InternalError(Some(format!("response headers: {error:?}")))),
            );
        }
    };
    if outgoing.set_status_code(response.status).is_err() {
        let why = format!("status {} is refused", response.status);
        return ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(why))));
    }
    let body = outgoing.body();
    ResponseOutparam::set(out, Ok(outgoing));
    let Ok(body) = body else { return };
    if let Err(error) = fill(&body, &response.body) {
        eprintln!("http-echo: writing the body: {error}");
    }
    if let Err(error) = OutgoingBody::finish(body, None) {
        eprintln!("http-echo: finishing the body: {error:?}");
    }
}

fn fill(body: &OutgoingBody, bytes: &[u8]) -> io::Result<()> {
    let mut stream = body.write().map_err(|()| io::Error::other("the response's body was taken"))?;
    stream.write_all(bytes)?;
    // The stream has an inherent `flush` too, which only starts one.
    Write::flush(&mut stream)
}

fn name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}
