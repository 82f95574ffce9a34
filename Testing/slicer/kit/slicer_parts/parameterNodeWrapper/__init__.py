"""A stand-in for `slicer.parameterNodeWrapper`: typed parameters on a real vtkMRMLScriptedModuleNode, bound to widgets.

Written from the documented behaviour and checked against Slicer's own tests. Lists, tuples, dictionaries, parameter
packs, `typing.Any`, ranges, custom GUI connectors and the creation of widgets are not covered.
"""

from __future__ import annotations

from .annotations import Decimals, Default, SingleStep, splitAnnotations, unannotatedType
from .connectors import createGuiConnector
from .serializers import (
    BoolSerializer,
    EnumSerializer,
    NodeSerializer,
    NumberSerializer,
    PathSerializer,
    Serializer,
    StringSerializer,
    ValidatedSerializer,
    createSerializer,
    parameterNodeSerializer,
)
from .unions import UnionSerializer
from .validators import Choice, Exclude, IsInstance, Maximum, Minimum, NotNone, Validator, WithinRange
from .wrapper import SlicerParameterNamePropertyName, isParameterNodeWrapper, parameterNodeWrapper

__all__ = [
    "BoolSerializer",
    "Choice",
    "Decimals",
    "Default",
    "EnumSerializer",
    "Exclude",
    "IsInstance",
    "Maximum",
    "Minimum",
    "NodeSerializer",
    "NotNone",
    "NumberSerializer",
    "PathSerializer",
    "Serializer",
    "SingleStep",
    "SlicerParameterNamePropertyName",
    "StringSerializer",
    "UnionSerializer",
    "ValidatedSerializer",
    "Validator",
    "WithinRange",
    "createGuiConnector",
    "createSerializer",
    "isParameterNodeWrapper",
    "parameterNodeSerializer",
    "parameterNodeWrapper",
    "splitAnnotations",
    "unannotatedType",
]
