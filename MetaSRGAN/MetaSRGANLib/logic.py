"""Super-resolve volume nodes: a node in, one request to the package or to a server, a node out."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from .parameters import MetaSRGANParameterNode

# The package is imported when it is used: 3D Slicer imports this file when it starts.
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from metasrgan.progress import Progress

    from .outcome import Outcome


class MetaSRGANLogic(ScriptedLoadableModuleLogic):
    """Super-resolves volume nodes, for the panel and for scripts.

    In the Python console::

        import MetaSRGAN
        outcome = MetaSRGAN.MetaSRGANLogic().process(slicer.util.getNode("T1"), scale=2)
        outcome.outputVolume, outcome.consistency
    """

    def getParameterNode(self) -> Any:
        """Return the scene's parameters."""
        wrapper: Any = MetaSRGANParameterNode
        return wrapper(super().getParameterNode())

    def process(self, inputVolume: Any, outputVolume: Any = None, **arguments: Any) -> Outcome:
        """Super-resolve a volume and wait for it.

        Args:
            inputVolume: vtkMRMLScalarVolumeNode.
            outputVolume: node of the same class to write into, or None for a new one.
            **arguments: as for `steps`.

        Raises:
            metasrgan.errors.MetaSRGANError: an argument, a volume, weights or PyTorch, with the way out. The output
                is untouched then.
        """
        from metasrgan.progress import finish

        return finish(self.steps(inputVolume, outputVolume, **arguments))

    def steps(
        self,
        inputVolume: Any,
        outputVolume: Any = None,
        *,
        checkConsistency: bool = True,
        server: str = "",
        token: str | None = None,
        tell: Callable[[str], None] = logging.info,
        model: str | None = None,
        **asked: Any,
    ) -> Generator[Progress, None, Outcome]:
        """Super-resolve a volume a step at a time: a generator that yields Progress and returns an Outcome.

        The image is copied first and the output written last, so that both may be used meanwhile; closing the
        generator leaves the scene as it was.

        Args:
            inputVolume: vtkMRMLScalarVolumeNode; with ``method="nearest"`` or ``"labels"`` a label map too.
            outputVolume: node of the same class to write into, or None for a new one.
            checkConsistency: whether to measure the result again and compare it with the input.
            server: address of a MONAI Label server to compute on, such as "http://127.0.0.1:8000"; empty: here.
            token: what the server wants to see; None for the environment's METASRGAN_TOKEN, if there is one.
            tell: called with each sentence for the log.
            model: another name of ``weights``.
            **asked: what to do: fields of `metasrgan.upscaling.request.Request` by name, such as isotropic, scale or
                spacing, slice_spacing, slice_thickness, acquired, axis, method, consistent, shoulder, weights, device,
                dtype, clip and fill.

        Raises:
            metasrgan.errors.MetaSRGANError: as `process`.
        """
        from metasrgan.geometry.grid import format_shape
        from metasrgan.progress import Progress, map_steps
        from metasrgan.upscaling.for_server import check_for_server
        from metasrgan.upscaling.pipeline import run_request_steps
        from metasrgan.upscaling.plan import choose_target
        from metasrgan.upscaling.request import Request

        from . import nodes, pytorch
        from .outcome import Outcome, describe_result, name_result
        from .remote import run_request_on_server_steps

        if model is not None:
            asked["weights"] = model
        request = Request(**asked)
        if server:
            check_for_server(asked)
        volume = nodes.view_volume(inputVolume, request.method)
        nodes.check_output(inputVolume, outputVolume)
        target = choose_target(request, volume.grid)
        volume = replace(volume, array=volume.array.copy())
        parent = inputVolume.GetTransformNodeID()
        yield Progress()

        device = server or "cpu"
        if request.method == "net" and not server:
            pytorch.ensure_installed()
            from metasrgan.networks.devices import resolve_device

            device = str(resolve_device(request.device))
            yield Progress()
        if nodes.is_frame(inputVolume):
            tell(f"{volume.name}: shows a sequence; only its current frame is super-resolved")
        tell(f"{volume.name}: {format_shape(volume.array.shape)} → {format_shape(target.shape)}, {device}")

        def warn(text: str) -> None:
            tell(f"Warning: {text}")

        def watch(progress: Progress) -> Progress:
            nodes.check_still_there(inputVolume, outputVolume)
            return progress

        if server:
            run = run_request_on_server_steps(
                request, volume, server, token, check_consistency=checkConsistency, warn=warn
            )
        else:
            run = run_request_steps(request, volume, check_consistency=checkConsistency, warn=warn)
        result = yield from map_steps(run, watch)
        nodes.check_still_there(inputVolume, outputVolume)
        name = inputVolume.GetName()
        made, description = name_result(result, name), describe_result(result, name)
        output = nodes.place_volume(result.volume, inputVolume, outputVolume, parent, made, description)
        return Outcome.from_result(result, inputVolume, output)
