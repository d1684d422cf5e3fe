#!/usr/bin/env python3
"""Is what was answered 200 on the disk? Cuts the power of a running countersign and looks.

Run by hand, as root, on a machine with loop devices, mkfs.xfs and mkfs.ext4:

    tests/faults/power_cut.py --cuts 20 [--log embedded|nats] [--sync-interval always]

The data lies on an ext4 file system on a loop device, whose backing file lies on XFS. What the page cache of the
ext4 holds is not in the backing file; a reflink copy of that file, taken at one instant, is what a disk holds when
the power goes. Webhooks are sent all the time; before each cut it is noted which were answered 200. The copy is
mounted, countersign is started on it, and all of those are sent again: each must be known already.
(It models the loss of everything that was not synced, not torn sectors or a disk that lies about its cache.)

With `--log nats --sync-interval 2m` the same must find losses: the proof that the rig sees them.
"""
import argparse, hashlib, hmac, http.client, json, os, random, shutil, signal, subprocess, sys, tempfile, threading, time

KEY = "atlas_live_PowerCutKey000000001"
CONNECTIONS = 16


def sh(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def wait_until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"waited {seconds} s for {what}")
        time.sleep(0.02)


class Server:
    """countersign, and nats-server where the log is there, on one directory."""

    def __init__(self, arguments, place, work):
        self.processes, log = [], []
        if arguments.log == "nats":
            config = work / "nats.conf"
            config.write_text(
                f'listen: 127.0.0.1:{arguments.port}\nhttp: 127.0.0.1:{arguments.port + 1}\n'
                f'jetstream {{ store_dir: "{place}/nats", sync_interval: {arguments.sync_interval} }}\n')
            self.processes.append(subprocess.Popen([arguments.nats_server, "-c", config], stderr=subprocess.DEVNULL))
            wait_until("nats-server", lambda: self.answers(arguments.port + 1, "/healthz"))
            log = ["--log", "nats", "--nats-url", f"nats://127.0.0.1:{arguments.port}",
                   "--nats-monitoring-url", f"http://127.0.0.1:{arguments.port + 1}"]
            if arguments.sync_interval != "always":
                log += ["--accept-risk", "lazy-sync"]
        listen = sum(([f"--{name}-listen", "127.0.0.1:0"] for name in ("ingress", "verification", "admin")), [])
        process = subprocess.Popen(
            [arguments.countersign, "up", "--json", "--roles", "ingress,verification", "--config", work / "countersign.yaml",
             "--data-dir", f"{place}/data", *listen, *log],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "RUST_LOG": "error"})
        self.processes.append(process)
        ready = json.loads(process.stdout.readline())
        self.ingress, self.admin = (ready[name].removeprefix("http://") for name in ("ingress", "admin"))

    @staticmethod
    def answers(port, path):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except OSError:
            return False

    def signals(self, outcome):
        connection = http.client.HTTPConnection(self.admin, timeout=10)
        connection.request("GET", "/metrics")
        start = f'verification_signals_total{{connection="atlas-main",outcome="{outcome}"}} '
        lines = connection.getresponse().read().decode().splitlines()
        return sum(int(float(line.removeprefix(start))) for line in lines if line.startswith(start))

    def kill(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGKILL)
            process.wait()


def post(connection, body):
    signature = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    connection.request("POST", "/v1/hooks/atlas-main", body, {"x-atlas-signature": f"sha256={signature}"})
    response = connection.getresponse()
    response.read()
    return response.status


class Senders:
    """Send ever new webhooks and note which were answered 200."""

    def __init__(self, ingress):
        self.answered, self.stop, self.number = [], threading.Event(), iter(range(10**9))
        self.threads = [threading.Thread(target=self.send, args=(ingress,)) for _ in range(CONNECTIONS)]
        for thread in self.threads:
            thread.start()

    def send(self, ingress):
        connection = http.client.HTTPConnection(ingress, timeout=30)
        while not self.stop.is_set():
            number = next(self.number)
            body = json.dumps({"event": "envelope.viewed", "envelope_id": f"cut-{number % 50:04}", "n": number}).encode()
            try:
                if post(connection, body) == 200:
                    self.answered.append(body)
            except (OSError, http.client.HTTPException):
                return

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def again(ingress, bodies):
    """Sends them again, some at a time."""
    def send(some):
        connection = http.client.HTTPConnection(ingress, timeout=30)
        for body in some:
            assert post(connection, body) == 200, "a webhook was not taken again"
    threads = [threading.Thread(target=send, args=(bodies[part::CONNECTIONS],)) for part in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def mount(image, place):
    place.mkdir(exist_ok=True)
    sh("mount", "-o", "loop", image, place)


def cut(arguments, work):
    """One life, one cut: how many were answered, how many of them are gone."""
    inner, image = work / "inner", work / "outer" / "inner.img"
    sh("truncate", "-s", "900M", image)
    sh("mkfs.ext4", "-q", "-F", image)
    mount(image, inner)
    server = Server(arguments, inner, work)
    senders = Senders(server.ingress)
    wait_until("the first answers", lambda: len(senders.answered) > 100)
    time.sleep(random.uniform(0.1, 3.0))  # the moment of the cut is random
    answered = list(senders.answered)
    sh("cp", "--reflink=always", image, work / "outer" / "cut.img")
    server.kill()
    senders.end()
    sh("umount", inner)

    after = work / "cut"
    mount(work / "outer" / "cut.img", after)
    server = Server(arguments, after, work)
    again(server.ingress, answered)
    known, lost = server.signals("duplicate"), server.signals("accepted")
    server.kill()
    sh("umount", after)
    assert known + lost == len(answered), f"{known} known and {lost} new of {len(answered)}"
    return len(answered), lost


def main():
    from pathlib import Path
    parser = argparse.ArgumentParser()
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--countersign", default="target/release/countersign")
    parser.add_argument("--log", choices=["embedded", "nats"], default="embedded")
    parser.add_argument("--sync-interval", default="always")
    parser.add_argument("--nats-server", default="target/tools/nats-server")
    parser.add_argument("--port", type=int, default=14222)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="power-cut-"))
    (work / "key").write_text(KEY)
    (work / "countersign.yaml").write_text(
        "tenants:\n  acme: {}\nconnections:\n  atlas-main:\n    kind: atlas\n    tenant: acme\n"
        f"    base_url: http://127.0.0.1:9\n    api_keys:\n      - {{id: k1, file: {work}/key}}\nflows: []\n")
    sh("truncate", "-s", "8G", work / "outer.img")
    sh("mkfs.xfs", "-q", "-m", "reflink=1", work / "outer.img")
    mount(work / "outer.img", work / "outer")
    total = losses = 0
    try:
        for number in range(1, arguments.cuts + 1):
            answered, lost = cut(arguments, work)
            total, losses = total + answered, losses + lost
            print(f"cut {number}: {answered} answered 200, {lost} of them lost", flush=True)
    finally:
        for place in ("inner", "cut", "outer"):
            subprocess.run(["umount", work / place], stderr=subprocess.DEVNULL)
        shutil.rmtree(work, ignore_errors=True)
    print(f"{arguments.cuts} cuts on the {arguments.log} log: {total} answered 200, {losses} of them lost")
    sys.exit(1 if losses else 0)


if __name__ == "__main__":
    main()
