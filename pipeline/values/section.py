"""What all sections of the settings have in common."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from pipeline.values.clock import Moment


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class PluginSection(Section):
    """`name` chooses a plug-in; every key that is not a field of the section is an option of that plug-in."""

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.__pydantic_extra__ or {})


def _moment(text: str) -> str:
    Moment.parse(text)
    return text


def unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Raises: ValueError that names the values which occur more than once."""
    repeated = sorted({str(v) for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"should not repeat a value, but has {', '.join(repeated)} more than once")
    return values


At = Annotated[str, AfterValidator(_moment)]  # a moment of training: 500it or 2ep
