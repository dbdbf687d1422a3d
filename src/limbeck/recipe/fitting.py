"""Does a method find what it needs in the recipe, and does anything read what is there?"""

import dataclasses
import importlib.util

from limbeck.errors import RequestError
from limbeck.methods import Method
from limbeck.recipe.sections import Generation, Recipe
from limbeck.recipe.tutoring import check_tutoring
from limbeck.schedules import ValidationDriven


def check_fit(recipe: Recipe, method: Method) -> None:
    """Refuse a recipe that lacks what its method needs, or holds what nothing would read.

    Raises:
        RequestError: See above.
    """
    name = recipe.method["name"]
    _check_teacher(recipe, method, name)
    _check_corpus(recipe, method, name)
    _check_generation(recipe, method, name)
    check_tutoring(recipe, method)
    if method.needs_start and recipe.student.sft is None and recipe.baseline == "none":
        raise RequestError(
            "adaptive weights compare the teacher with a fine-tuned student, and there is none",
            where="method.adaptive_weight",
            mend="add student.sft, or leave baseline at sft, which then is that student",
        )
    if recipe.controls and name == "sft":
        raise RequestError(
            "controls explain a distillation, and sft is none",
            where="controls",
            mend="leave it out",
        )
    checkpoints = 0 if recipe.teacher is None else recipe.teacher.keep_checkpoints or 0
    rounds, steps = method.number_of_rounds(checkpoints), recipe.training.get("max_steps", 0)
    if isinstance(steps, int) and 0 < steps < rounds and not method.tutors:
        raise RequestError(
            f"{steps} optimiser steps cannot be shared among {rounds} rounds",
            where="training.max_steps",
            mend=f"give at least {rounds}; they are those of all rounds together",
        )
    listening = [n for n, s in method.schedules.items() if isinstance(s, ValidationDriven)]
    if listening and recipe.training.get("eval_strategy") == "no":
        raise RequestError(
            f"{listening[0]} follows the validation loss, and nothing is evaluated",
            where="training.eval_strategy",
            mend=f"leave it out, or give method.{listening[0]} a number",
        )


def check_cache(recipe: Recipe, method: Method) -> None:
    """Refuse what no cache can serve; what this one cannot serve is seen when it is opened.

    Raises:
        RequestError: See above.
    """
    if recipe.teacher is None or recipe.teacher.cache is None:
        return
    where = f"teacher.cache: {recipe.teacher.cache}"
    if method.tutors:
        raise RequestError(
            f"with the method {recipe.method['name']} the teacher writes anew in each round, and a "
            "cache holds what it said of other text",
            where=where,
            mend="leave teacher.cache out",
        )
    if method.needs_path:
        raise RequestError(
            f"the method {recipe.method['name']} learns from several checkpoints of the teacher, "
            "and a cache holds what one of them said",
            where=where,
            mend="leave teacher.cache out",
        )
    if method.student_writes:
        share = ", or set method.lmbda=0" if _can_do_without_student(method) else ""
        raise RequestError(
            f"the method {recipe.method['name']} trains on text that the student writes, "
            "and a cache holds what the teacher said of other text",
            where=where,
            mend=f"leave teacher.cache out{share}",
        )
    if recipe.teacher.sft is not None:
        raise RequestError(
            "the teacher would be fine-tuned again, beside a cache of what it said before",
            where="teacher.sft",
            mend="leave sft out; limbeck cache has kept the teacher: model: CACHE/teacher",
        )


def _can_do_without_student(method: Method) -> bool:
    """Whether lambda = 0 leaves the student's text out."""
    try:
        return not dataclasses.replace(method, lmbda=0.0).student_writes  # type: ignore[call-arg]
    except (TypeError, ValueError):  # it has no lambda, or lambda is something else
        return False


def _check_teacher(recipe: Recipe, method: Method, name: str) -> None:
    teacher = recipe.teacher
    if (method.imitates or method.teacher_writes) and teacher is None:
        raise RequestError(
            f"the method {name} needs a teacher",
            where="teacher",
            mend="add teacher: a hub id or folder",
        )
    if teacher is None or not method.needs_path:
        return
    if not teacher.has_path and teacher.cache is None:
        raise RequestError(
            f"the method {name} learns from the checkpoints of the teacher's fine-tuning, and none "
            "are kept",
            where="teacher.keep_checkpoints, teacher.checkpoints",
            mend="add keep_checkpoints: 4 beside teacher.sft, or teacher: {checkpoints: FOLDER}",
        )
    if method.needs_folds and teacher.sft is None:
        raise RequestError(
            "losses of rows that the teacher did not train on need its fine-tuning repeated, and "
            "the recipe does not say how that went",
            where="method.loss_source",
            mend="give teacher.sft with keep_checkpoints, or use loss_source: train",
        )


def _check_corpus(recipe: Recipe, method: Method, name: str) -> None:
    if method.needs_corpus and recipe.corpus is None:
        raise RequestError(
            f"the method {name} reads plain text where lm_coef is above 0, and there is none",
            where="corpus",
            mend="add corpus: a file of rows with text, or set method.lm_coef=0",
        )
    if recipe.corpus is not None and not method.needs_corpus:
        able = hasattr(method, "lm_coef")
        raise RequestError(
            f"the method {name} reads no plain text{' where lm_coef is 0' if able else ''}",
            where="corpus",
            mend="set method.lm_coef, or leave corpus out" if able else "leave corpus out",
        )


def _check_generation(recipe: Recipe, method: Method, name: str) -> None:
    generation = recipe.generation
    if method.weighs_samples and not generation.sampling().plain:
        raise RequestError(
            f"the method {name}, as it is set, is right only for samples of the student itself",
            where="generation",
            mend="leave temperature, top_p and top_k out, or set method.estimator=full",
        )
    if generation != Generation() and not (method.teacher_writes or method.student_writes):
        raise RequestError(
            f"nobody writes text with the method {name} on the data's completions",
            where="generation",
            mend="leave generation out (evaluate.max_new_tokens bounds the answers of the evaluation)",
        )
    _check_engine(recipe, method, name)
    _check_several(generation, method, name)
    if generation.num_beams == 1:
        return
    if method.student_writes:
        raise RequestError(
            f"with the method {name} the student's text is a sample, and beams do not sample",
            where="generation.num_beams",
            mend="leave num_beams out; beams are for a teacher that writes once (seqkd)",
        )
    for key in generation.changed("temperature", "top_p", "top_k"):
        raise RequestError(
            f"a search with beams uses no {key}",
            where=f"generation.{key}",
            mend=f"leave {key} out, or num_beams",
        )


def _check_engine(recipe: Recipe, method: Method, name: str) -> None:
    """What vLLM loads are weights of its own, of a folder: they do not follow a training."""
    if recipe.generation.engine != "vllm":
        return
    teacher, where = recipe.teacher, "generation.engine: vllm"
    if method.student_writes or method.writes_together:
        raise RequestError(
            f"with the method {name} the student writes while it is trained, and vLLM would write "
            "with the weights it began with",
            where=where,
            mend="leave engine out",
        )
    changed = ("fresh", "config", "layers", "adapter", "checkpoints")
    own = [key for key in changed if getattr(teacher, key, None) not in (None, False)]
    if own and (teacher is None or teacher.sft is None):  # a fine-tuned teacher has a folder
        raise RequestError(
            f"vLLM loads the folder of a model, and teacher.{own[0]} makes another one of it here",
            where=where,
            mend=f"save the teacher as a folder of its own and name that, without {own[0]}; or "
            "leave engine out",
        )
    if recipe.generation.num_beams > 1:
        raise RequestError(
            "vLLM samples, and does not search with beams here",
            where="generation.num_beams",
            mend="leave num_beams out, or generation.engine",
        )
    if importlib.util.find_spec("vllm") is None:
        raise RequestError(
            "vLLM is not installed",
            where=where,
            mend="pip install vllm, or leave engine out; a vLLM server can be teacher.server",
        )


def _check_several(generation: Generation, method: Method, name: str) -> None:
    """Several answers to a prompt, and a choice among them."""
    for key in generation.changed("num_return_sequences", "only_correct"):
        if method.tutors:
            raise RequestError(
                f"with the method {name} a problem has one solution at a time, which is verified",
                where=f"generation.{key}",
                mend=f"leave {key} out",
            )
        if not method.teacher_writes:
            raise RequestError(
                f"with the method {name}, as it is set, no teacher answers prompts before training",
                where=f"generation.{key}",
                mend=f"leave {key} out, or take seqkd or method: {{source: teacher}}",
            )
    greedy = generation.temperature == 0 or generation.top_k == 1
    if generation.num_return_sequences > 1 and (greedy or generation.num_beams > 1):
        raise RequestError(
            f"{generation.num_return_sequences} answers to each prompt are asked for, and without "
            "sampling all of them would be the same",
            where="generation.num_return_sequences",
            mend="leave out temperature: 0, top_k: 1 and num_beams, or num_return_sequences",
        )
