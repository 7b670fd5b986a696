"""An image for the ways of inference: a server in the Perl that every Debian has, so that it needs no download.

It says what it was asked: `NAME(PORT): body`, after SLOW seconds. Bodies that begin with a command do something else.
"""

import os
from pathlib import Path

from tests.runtime.oci_image import shell_layer, write_layout

# `docker run IMAGE serve`; one process a connection, one request a connection
SERVE = r"""#!/bin/perl
use strict; use IO::Socket::INET;
$| = 1; $SIG{TERM} = sub { exit 0 }; $SIG{CHLD} = "IGNORE"; $SIG{PIPE} = "DEFAULT";
my $port = $ENV{SAGEMAKER_BIND_TO_PORT} || 8080;
my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 64, ReuseAddr => 1) or die "listen: $!";
print STDERR "model: ", join(" ", glob("/opt/ml/model/*")), "\n";
while (1) {
    my $client = $server->accept or next;
    if (fork) { close $client; next }
    my ($line, $length, %header) = (scalar <$client>, 0);
    while (my $header = <$client>) {
        last if $header =~ /^\r?\n/;
        $header{lc $1} = $2 if $header =~ /^([^:]+):\s*(.*?)\r?\n/;
    }
    $length = $header{"content-length"} || 0;
    my $body = ""; read($client, $body, $length) if $length;
    answer($client, $line, $body, \%header); close $client; exit 0;
}
sub whole {
    my ($client, $status, $answer, $more) = @_;
    my $length = length($answer); $more ||= "";
    print $client "HTTP/1.1 $status\r\nContent-Length: $length\r\nConnection: close\r\n$more\r\n$answer";
}
sub chunk { my ($client, $data) = @_; printf $client "%x\r\n%s\r\n", length($data), $data; $client->flush }
sub answer {
    my ($client, $line, $body, $header) = @_;
    return whole($client, "200 OK", "") if $line =~ m{^GET /ping};
    return models($client, $line, $body, $header) if $line =~ m{^\w+ /models};
    return whole($client, "404 Not Found", "") unless $line =~ m{^POST /invocations};
    select(undef, undef, undef, $ENV{SLOW}) if $ENV{SLOW};
    return whole($client, "500 Internal Server Error", "no") if $body eq "fail";
    if ($body =~ /^sleep (\S+)/) { select(undef, undef, undef, $1); return whole($client, "200 OK", "slept") }
    if ($body =~ /^(parts|break|endless)/) {
        my $way = $1;
        print $client "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
        $client->flush;
        $SIG{PIPE} = sub { print STDERR "the reader has gone\n"; exit 0 };
        if ($way eq "endless") { while (1) { chunk($client, "x" x 1000); select(undef, undef, undef, 0.05) } }
        for my $part (1 .. 4) { chunk($client, "part $part;"); select(undef, undef, undef, 0.5) }
        return if $way eq "break";
        print $client "0\r\n\r\n"; return;
    }
    my $custom = $header->{"x-amzn-sagemaker-custom-attributes"};
    my $more = "Content-Type: text/plain\r\n";
    if (defined(my $session = $header->{"x-amzn-sagemaker-session-id"})) {
        my $path = "/tmp/session-$session";
        if ($session eq "NEW_SESSION") {
            $session = "s$$-" . time; $path = "/tmp/session-$session";
            $more .= "X-Amzn-SageMaker-New-Session-Id: $session; Expires=2099-01-01T00:00:00Z\r\n";
        } elsif (!-e $path) { return whole($client, "400 Bad Request", "no such session") }
        $body = (text_of($path) || "") . $body; record($path, $body);
        if ($body =~ /close$/) { unlink $path; $more .= "X-Amzn-SageMaker-Closed-Session-Id: $session\r\n" }
    }
    $more .= "X-Amzn-SageMaker-Custom-Attributes: got $custom\r\n" if defined $custom;
    whole($client, "200 OK", "$ENV{NAME}($port): $body", $more);
}
sub record { my ($path, $text) = @_; open my $file, ">", $path or die; print $file $text; close $file }
sub text_of { my ($path) = @_; open my $file, "<", $path or return; local $/; <$file> }
sub models {
    my ($client, $line, $body, $header) = @_;
    return whole($client, "404 Not Found", "") unless $ENV{MODELS};  # how many it has room for
    my ($method, $name, $invoke) = $line =~ m{^(\w+) /models/?([^/? ]*)(/invoke)?};
    my ($after) = $line =~ /next_page_token=(\S+)/;
    my @there = map { m{([^/]+)$} } sort glob("/tmp/model-*");
    if ($method eq "POST" and !$name) {
        my ($new) = $body =~ /"model_name": *"([^"]*)"/; my ($url) = $body =~ /"url": *"([^"]*)"/;
        return whole($client, "409 Conflict", "") if -e "/tmp/model-$new";
        return whole($client, "507 Insufficient Storage", "full") if @there >= $ENV{MODELS};
        my $word = text_of("$url/word");
        return whole($client, "500 Internal Server Error", "no word") unless defined $word;
        print STDERR "load $header->{'x-amzn-sagemaker-target-model'}\n";
        record("/tmp/model-$new", $word); return whole($client, "200 OK", "");
    }
    if (!$name) {  # a page of one
        my ($first, $second) = grep { !defined $after or $_ gt "model-$after" } @there;
        my $id = defined $first ? substr($first, 6) : "";
        my $list = defined $first ? qq({"modelName": "$id", "modelUrl": "/opt/ml/models/$id/model"}) : "";
        my $token = defined $second ? qq(, "nextPageToken": "$id") : "";
        return whole($client, "200 OK", qq({"models": [$list]$token}));
    }
    my $word = text_of("/tmp/model-$name");
    return whole($client, "404 Not Found", "") unless defined $word;
    if ($method eq "DELETE") { unlink "/tmp/model-$name"; print STDERR "unload\n" }
    return whole($client, "200 OK", "{}") unless $invoke;
    unlink "/tmp/model-$name" if $body eq "forget";
    return whole($client, "404 Not Found", "mine") if $body eq "404";
    whole($client, "200 OK", "$word: $body ($header->{'x-amzn-sagemaker-target-model'})");
}
"""


def write_perl_model(directory: Path, labels: dict[str, str] | None = None) -> Path:
    """The image as an OCI layout."""
    layer = shell_layer("perl")
    base = next(Path("/usr/lib").glob("*/perl-base"))
    for folder, _, files in os.walk(base):
        for file in files:
            path = Path(folder) / file
            layer.file(str(path).lstrip("/"), path.read_bytes())
    layer.file("bin/serve", SERVE.encode(), 0o755)
    write_layout(directory / "layout", [layer.finish()], {"Env": ["PATH=/bin", "NAME=model"], "Labels": labels or {}})
    return directory / "layout"
