"""A collector of OpenTelemetry for tests: it prints the spans that it gets, one JSON object a line.

The messages are read with the schema of opentelemetry-proto, so that this schema judges what the server sends. With an argument, a
number, each request is answered with that status; with `never` none is answered. With two more, the files of a certificate chain and its key,
it speaks TLS.
"""

import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

ANSWER = sys.argv[1] if len(sys.argv) > 1 else "200"


def value(any_value):
    (content,) = MessageToDict(any_value).values()
    return content


def attributes(pairs):
    return {pair.key: value(pair.value) for pair in pairs}


def tell(content):
    print(json.dumps(content), flush=True)


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if ANSWER == "never":
            time.sleep(3600)
        if ANSWER == "200":
            self.collect(body)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(int(ANSWER))
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def collect(self, body):
        request = ExportTraceServiceRequest.FromString(body)
        for of_resource in request.resource_spans:
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    assert span.start_time_unix_nano <= span.end_time_unix_nano
                    tell({
                        "path": self.path,
                        "type": self.headers["Content-Type"],
                        "key": self.headers["x-key"],
                        "resource": attributes(of_resource.resource.attributes),
                        "name": span.name,
                        "kind": Span.SpanKind.Name(span.kind),
                        "trace": span.trace_id.hex(),
                        "span": span.span_id.hex(),
                        "parent": span.parent_span_id.hex(),
                        "state": span.trace_state,
                        "status": span.status.code,
                        "attributes": attributes(span.attributes),
                        "events": [event.name for event in span.events],
                    })

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
tell({"port": server.server_port})
server.serve_forever()
