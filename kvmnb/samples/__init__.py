"""The store of samples: what a host's frames said at many times, as Parquet files that other programs read.

``STORE/<frame>/day=2026-11-25/host=<name>/<sample>.parquet`` holds one frame of one sample. The folders'
names are columns to pandas, DuckDB, Polars, Spark and Dask, so that each reads ``STORE/volumes`` as it is.

* **A file** appears whole or not at all: it is written in ``STORE/.parts``, where no reader looks, and moved.
* **A sample** counts once its row in ``STORE/samples`` is there, which is written last. Who reads files
  without the kit may for a moment, or after a sampler was killed, see rows of a sample that is not in
  ``samples``: ask for ``sample in (select sample from samples)`` where that matters. `history` does.
* **Compaction** puts the samples of a past day into one file that names the files it was made of. Who reads
  without the kit sees those rows twice until their deletion, which follows at once, or at the next
  compaction after a crash. `history` counts them once.
"""
