"""How far each transfer has come, how fast it goes and how long it will take."""

import os

import pytest

from bed import BUCKET

MIB = 1 << 20
SIZE = 70 * MIB


def watch(bed, daemon, name, n, link):
    """Samples of transfer n while it runs; by how many seconds what is shown lags behind the wire, at worst."""
    samples, lag, base = [], 0.0, bed.bytes().get(link, 0)
    while daemon.status(name) not in ("SUCCEEDED", "FAILED"):
        t = daemon.json(name)["transfers"][n:n + 1]
        if t and t[0]["state"] == "running" and 0 < t[0]["bytes"] < SIZE:
            t[0]["text"] = daemon.read(name, "progress")
            samples.append(t[0])
            if t[0]["bytes_per_s"] > 0:
                came = min(SIZE, (bed.bytes()[link] - base) / 1.05)
                lag = max(lag, (came - t[0]["bytes"]) / t[0]["bytes_per_s"])
    return samples, lag


@pytest.mark.parametrize("engine,way", [("presigned", "down"), ("presigned", "up"), ("aws", "down")])
def test_progress_is_seen_while_bytes_move(bed, start, data, engine, way):
    (data / "big").write_bytes(os.urandom(SIZE))
    bed.aws("s3api", "put-object", "--bucket", BUCKET, "--key", "progress/big", "--body", data / "big")
    daemon = start(hosts={"gpu1": {}}, s3={"engine": engine})
    spec = {"inputs": {"in": "progress/big"}, "run": "true"}
    if way == "up":
        spec = {"run": f"head -c {SIZE} /dev/urandom >output/big", "outputs": "progress/out/"}
    bed.bed("rate", "gpu1", "200")
    try:
        daemon.submit("p", spec)
        samples, lag = watch(bed, daemon, "p", 0, "s3->gpu1" if way == "down" else "gpu1->s3")
    finally:
        bed.bed("rate", "gpu1", "off")
    daemon.wait("p", ("SUCCEEDED",))
    sizes = [s["bytes"] for s in samples]
    assert len(set(sizes)) > 2 and sizes == sorted(sizes), sizes
    fast = [s for s in samples if s["bytes_per_s"] > 0]
    assert fast and all(s["total"] == SIZE for s in samples)
    assert all(s["eta_s"] is not None and "/s" in s["text"] and "%" in s["text"] for s in fast)
    end = daemon.json("p")["transfers"][0]
    assert (end["state"], end["bytes"]) == ("done", SIZE) and end["bytes_per_s"] > 0
    assert f"{SIZE} bytes in " in daemon.read("p", "events.jsonl") and " MB/s" in daemon.read("p", "events.jsonl")
    print(f"\n{engine} {way}: {len(set(sizes))} steps, at most {lag:.2f} s behind the wire, {end['bytes_per_s'] / 1e6:.0f} MB/s")
