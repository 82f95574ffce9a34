"""A stand-in for the module SampleData: the register of sample data, and loading from local files only."""

from __future__ import annotations

import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from kit.samples import sample_files


@dataclass(frozen=True)
class SampleDataSource:
    """One registered data set; every list has an entry per file."""

    sampleName: str
    uris: tuple[str, ...]
    fileNames: tuple[str, ...]
    nodeNames: tuple[str | None, ...]
    checksums: tuple[str | None, ...]
    thumbnailFileName: str | None
    loadFileTypes: tuple[str | None, ...]
    loadFiles: tuple[bool | None, ...]
    loadFileProperties: tuple[tuple[str, Any], ...]
    customDownloader: Any


def _sources() -> dict[str, list[SampleDataSource]]:
    if not hasattr(slicer.modules, "sampleDataSources"):
        slicer.modules.sampleDataSources = {}
        slicer.modules.sampleDataSourceCategories = {}
    sources: dict[str, list[SampleDataSource]] = slicer.modules.sampleDataSources
    return sources


def _entries(values: Any, count: int) -> tuple[Any, ...]:
    entries = tuple(values) if isinstance(values, list | tuple) else (values,) * count
    if len(entries) != count:
        raise ValueError(f"sample data needs one entry for each of its {count} URIs, not {entries}")
    return entries


class SampleDataLogic:
    """Registers sample data and loads it."""

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        """Give a category the title that is shown."""
        _sources()
        slicer.modules.sampleDataSourceCategories.setdefault(category, {})["title"] = title

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFiles: Any = None,
        loadFileProperties: dict[str, Any] | None = None,
        checksums: Any = None,
    ) -> None:
        """Register a data set; a second time changes nothing."""
        if not sampleName or not uris or not fileNames:
            raise ValueError("sample data needs sampleName, uris and fileNames")
        if thumbnailFileName is not None and not Path(thumbnailFileName).is_file():
            raise FileNotFoundError(f"the thumbnail {thumbnailFileName} of {sampleName} does not exist")
        count = len(uris) if isinstance(uris, list | tuple) else 1
        source = SampleDataSource(
            sampleName=sampleName,
            uris=_entries(uris, count),
            fileNames=_entries(fileNames, count),
            nodeNames=_entries(nodeNames, count),
            checksums=_entries(checksums, count),
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=_entries(loadFileTypes, count),
            loadFiles=_entries(loadFiles, count),
            loadFileProperties=tuple((loadFileProperties or {}).items()),
            customDownloader=customDownloader,
        )
        registered = _sources().setdefault(category, [])
        if source not in registered:
            registered.append(source)

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        """The data set of a name, or None."""
        everything = (source for sources in _sources().values() for source in sources)
        return next((source for source in everything if source.sampleName == sampleName), None)

    def downloadSample(self, sampleName: str) -> Any:
        """Load a data set of one file and give its node."""
        return self.downloadSamples(sampleName)[0]

    def downloadSamples(self, sampleName: str) -> list[Any]:
        """Load a data set and give its nodes."""
        source = self.sourceForSampleName(sampleName)
        if source is None:
            raise ValueError(f"no sample data {sampleName!r} is registered")
        if source.customDownloader is not None:
            return list(source.customDownloader(source))
        return [self._load(source, index) for index in range(len(source.uris))]

    def _load(self, source: SampleDataSource, index: int) -> Any:
        path = _local_file(source.uris[index], source.checksums[index])
        checksum = source.checksums[index]
        if checksum is not None:
            algorithm, digest = slicer.util.extractAlgoAndDigest(checksum)
            if slicer.util.computeChecksum(algorithm, str(path)) != digest:
                raise ValueError(f"{path} does not have the checksum {checksum}")
        if source.loadFiles[index] is False:
            return str(path)
        properties = {**dict(source.loadFileProperties), "name": source.nodeNames[index] or path.name}
        return slicer.util.loadNodeFromFile(str(path), source.loadFileTypes[index], properties)


def _local_file(uri: str, checksum: str | None) -> Path:
    parsed = urllib.parse.urlparse(uri)
    if parsed.scheme in ("http", "https"):
        if checksum is None:
            raise ValueError(f"sample data from the network needs a checksum: {uri}")
        if checksum not in sample_files:
            raise RuntimeError(f"tests do not download: register a file of {checksum} in kit.sample_files for {uri}")
        return Path(sample_files[checksum])
    return Path(urllib.request.url2pathname(parsed.path)) if parsed.scheme == "file" else Path(uri)


def downloadSample(sampleName: str) -> Any:
    """Load a data set of one file and give its node."""
    return SampleDataLogic().downloadSample(sampleName)
